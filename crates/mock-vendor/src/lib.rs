//! Vendors to develop and test against: each serves a stock report and fails on request.
//!
//! A [`MockVendor`] listens on a port of its own and answers `GET` on its path with the report. What it serves, and how
//! it fails, is changed through its methods, or from another process with `PUT` on:
//!
//! | path | body |
//! |---|---|
//! | `/control/stock` | `{"1": 50, "2": 100}`: the products and their units, all of them |
//! | `/control/as-of` | `"2026-11-23T12:00:00Z"`: the report becomes `{"as_of": …, "items": […]}`; `null`: a bare list again |
//! | `/control/fault` | `{"kind": "status", "status": 500, "times": 2}`, see [`Fault`]; without `times` it stays until it is changed |
//!
//! Not for anything but tests and development: whoever reaches the port controls it.

mod catalogue;
pub mod original;
mod routes;
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

/// A vendor that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct MockVendor {
    state: Arc<State>,
    address: SocketAddr,
    path: String,
    server: Option<ServerHandle>,
}

impl MockVendor {
    /// Starts a vendor whose report is at `path`. Port 0 lets the system choose. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
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

    /// Starts a vendor for a test: on a free port of this machine.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start_local<P: Into<String>>(
        stock: impl IntoIterator<Item = (P, i64)>,
    ) -> io::Result<Self> {
        Self::start("/stock", stock, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Where its report is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces its stock. What is no quantity, such as -1, is served as it is.
    pub fn set_stock<P: Into<String>>(&self, stock: impl IntoIterator<Item = (P, i64)>) {
        self.state.set_stock(to_owned_stock(stock));
    }

    /// Makes its report name the moment for which it is true, or a bare list again.
    pub fn set_as_of(&self, as_of: Option<&str>) {
        self.state.set_as_of(as_of.map(str::to_owned));
    }

    /// Makes every answer fail like this, until it is changed.
    pub fn set_fault(&self, fault: Fault) {
        self.state.set_fault(fault, None);
    }

    /// Makes so many answers fail like this, and the ones after them not.
    pub fn set_fault_times(&self, fault: Fault, times: u32) {
        self.state.set_fault(fault, Some(times));
    }

    /// How many times its report was asked for.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests()
    }

    /// Stops listening and ends what is under way, whatever state it is in.
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
        // The order to stop is sent at once; the future only waits for its end.
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
