//! Mock vendors for development and tests: each serves a stock report over HTTP and can inject faults.
//!
//! A [`MockVendor`] listens on its own port and serves the report on `GET` of its path. Stock and faults are set through its
//! methods, or from another process with `PUT` on:
//!
//! | path | body |
//! |---|---|
//! | `/control/stock` | `{"1": 50, "2": 100}`: the whole stock, units by product |
//! | `/control/as-of` | `"2026-11-23T12:00:00Z"`: the report becomes `{"as_of": …, "items": […]}`; `null`: a bare list |
//! | `/control/fault` | `{"kind": "status", "status": 500, "times": 2}`, see [`Fault`]; without `times` it stays until changed |
//!
//! With the feature `script`, a script describes any number of vendors in all formats that feeds can read; the features
//! `sftp`, `ftps`, `bucket` and `push` add the transports of these names.
//!
//! For tests and development only: any client that can reach the port can control the vendor.

mod catalogue;
#[cfg(feature = "script")]
mod format;
pub mod original;
mod routes;
#[cfg(feature = "script")]
pub mod script;
mod state;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};

pub use catalogue::catalogue;
pub use state::Fault;
use state::State;

/// A running vendor. It stops on [`MockVendor::stop`] or on drop.
#[derive(Debug)]
pub struct MockVendor {
    state: Arc<State>,
    address: SocketAddr,
    path: String,
    server: Option<ServerHandle>,
}

impl MockVendor {
    /// Starts a vendor that serves its report at `path`. Port 0 selects a free port. Requires a Tokio runtime.
    ///
    /// # Errors
    /// Binding to the address failed.
    pub fn start<P: Into<String>>(
        path: &str,
        stock: impl IntoIterator<Item = (P, i64)>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let state = Arc::new(State::new(to_owned_stock(stock)));
        let server = {
            let (state, path) = (Arc::clone(&state), path.to_owned());
            HttpServer::new(move || {
                let (state, path) = (Arc::clone(&state), path.clone());
                App::new().configure(|app| routes::configure(app, &path, state))
            })
            .workers(1)
            .shutdown_timeout(1)
            .disable_signals()
            .bind(address)?
        };
        let address = server.addrs().first().copied().unwrap_or(address);
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self {
            state,
            address,
            path: path.to_owned(),
            server: Some(handle),
        })
    }

    /// Starts a vendor on a free loopback port, for tests.
    ///
    /// # Errors
    /// No port is free.
    pub fn start_local<P: Into<String>>(
        stock: impl IntoIterator<Item = (P, i64)>,
    ) -> io::Result<Self> {
        Self::start("/stock", stock, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Returns the URL of the report.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// Returns the address that the vendor listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the stock. Invalid quantities, such as -1, are served unchanged.
    pub fn set_stock<P: Into<String>>(&self, stock: impl IntoIterator<Item = (P, i64)>) {
        self.state.set_stock(to_owned_stock(stock));
    }

    /// Sets the report's `as_of`. With `None`, the report is a bare list.
    pub fn set_as_of(&self, as_of: Option<&str>) {
        self.state.set_as_of(as_of.map(str::to_owned));
    }

    /// Injects a fault into every response, until it is changed.
    pub fn set_fault(&self, fault: Fault) {
        self.state.set_fault(fault, None);
    }

    /// Injects a fault into the next `times` responses.
    pub fn set_fault_times(&self, fault: Fault, times: u32) {
        self.state.set_fault(fault, Some(times));
    }

    /// Returns the number of requests for the report.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests()
    }

    /// Stops listening and aborts requests in progress.
    pub async fn stop(mut self) {
        if let Some(stopped) = self.begin_stop() {
            stopped.await;
        }
    }

    fn begin_stop(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        self.server.take().map(|server| server.stop(false))
    }
}

impl Drop for MockVendor {
    fn drop(&mut self) {
        // `begin_stop` sends the stop command immediately; the future only waits for completion.
        drop(self.begin_stop());
    }
}

fn to_owned_stock<P: Into<String>>(
    stock: impl IntoIterator<Item = (P, i64)>,
) -> impl Iterator<Item = (String, i64)> {
    stock
        .into_iter()
        .map(|(product, quantity)| (product.into(), quantity))
}
