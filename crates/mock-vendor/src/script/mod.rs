//! Vendors of any format that a script describes, with their faults: what feeds can be tried with.
//!
//! ```toml
//! [[vendors]]
//! listen = "127.0.0.1:5101"
//! stock = { "A-1" = 5, "B-2" = 0 }
//! [vendors.format]
//! type = "csv"
//! delimiter = ";"
//! [[vendors.steps]]
//! requests = 2
//! fault = { kind = "status", status = 503 }
//! ```
//!
//! The options of a vendor have the names of the settings of the feed that reads it. A script is checked as a whole when it is
//! parsed: each document that it describes is written once.

mod as_of;
mod auth;
mod directory;
mod encoding;
mod fault;
mod http;
mod pages;
mod plan;
mod table;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServerHandle;
use thiserror::Error;
use tokio::task::JoinHandle;

use self::directory::FileVendor;
use self::http::HttpVendor;
use self::plan::Plan;
pub use self::table::InvalidScript;

/// A script.
#[derive(Debug)]
pub struct Script {
    vendors: Vec<Vendor>,
}

#[derive(Debug)]
struct Vendor {
    name: String,
    transport: Transport,
    plan: Plan,
}

#[derive(Debug)]
enum Transport {
    Http(Box<HttpVendor>),
    File(FileVendor),
}

/// Why a vendor of a script does not run.
#[derive(Debug, Error)]
#[error("{problem} for {vendor}")]
pub struct VendorFailure {
    vendor: String,
    problem: String,
    source: io::Error,
}

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    /// [`InvalidScript`] for the first problem.
    pub fn parse(text: &str) -> Result<Self, InvalidScript> {
        table::parse(text).map(|vendors| Self { vendors })
    }

    /// Starts the vendors, in the order of the script. Requires a Tokio runtime.
    ///
    /// # Errors
    /// A vendor cannot listen on its address, or cannot create its directory.
    pub fn start(self) -> Result<Vec<ScriptedVendor>, VendorFailure> {
        self.vendors
            .into_iter()
            .map(ScriptedVendor::start)
            .collect()
    }
}

/// A running vendor of a script. It stops on [`ScriptedVendor::stop`] or on drop.
#[derive(Debug)]
pub struct ScriptedVendor {
    name: String,
    place: Place,
    requests: Arc<AtomicU64>,
    running: Option<Running>,
}

#[derive(Debug)]
enum Place {
    Http { address: SocketAddr, path: String },
    File { directory: PathBuf, name: String },
}

#[derive(Debug)]
enum Running {
    Server(ServerHandle),
    Files(JoinHandle<io::Error>),
}

impl ScriptedVendor {
    fn start(vendor: Vendor) -> Result<Self, VendorFailure> {
        let Vendor {
            name,
            transport,
            plan,
        } = vendor;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        let (place, running) = match transport {
            Transport::Http(vendor) => {
                let (listen, path) = (vendor.listen, vendor.path.clone());
                let (handle, address) =
                    http::start(*vendor, plan, counter).map_err(|source| VendorFailure {
                        vendor: name.clone(),
                        problem: format!("cannot listen on {listen}"),
                        source,
                    })?;
                (Place::Http { address, path }, Running::Server(handle))
            }
            Transport::File(vendor) => {
                let directory = vendor.directory.clone();
                fs::create_dir_all(&directory).map_err(|source| VendorFailure {
                    vendor: name.clone(),
                    problem: format!("cannot create the directory {}", directory.display()),
                    source,
                })?;
                let place = Place::File {
                    directory,
                    name: vendor.name.clone(),
                };
                let task = tokio::spawn(directory::run(vendor, plan, counter));
                (place, Running::Files(task))
            }
        };
        Ok(Self {
            name,
            place,
            requests,
            running: Some(running),
        })
    }

    /// Returns the name of the vendor in the script.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL of the report over HTTP.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        match &self.place {
            Place::Http { address, path } => Some(format!("http://{address}{path}")),
            Place::File { .. } => None,
        }
    }

    /// Describes on one line where the report is.
    #[must_use]
    pub fn description(&self) -> String {
        let name = &self.name;
        match &self.place {
            Place::Http { address, path } => format!("{name} listens on http://{address}{path}"),
            Place::File {
                directory,
                name: file,
            } => {
                format!("{name} writes {}", directory.join(file).display())
            }
        }
    }

    /// Returns the number of documents: of requests for the report that were authenticated, each page counted, or of files.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until the vendor cannot write its files. Never returns for a vendor over HTTP.
    pub async fn failed(&mut self) -> VendorFailure {
        if let Some(Running::Files(task)) = &mut self.running
            && let Ok(source) = task.await
        {
            return VendorFailure {
                vendor: self.name.clone(),
                problem: "cannot write a file".to_owned(),
                source,
            };
        }
        std::future::pending().await
    }

    /// Stops the vendor, and aborts its requests in progress.
    pub async fn stop(mut self) {
        match self.running.take() {
            Some(Running::Server(server)) => server.stop(false).await,
            Some(Running::Files(task)) => task.abort(),
            None => {}
        }
    }
}

impl Drop for ScriptedVendor {
    fn drop(&mut self) {
        match self.running.take() {
            // `stop` sends the command immediately; the future only waits for completion.
            Some(Running::Server(server)) => drop(server.stop(false)),
            Some(Running::Files(task)) => task.abort(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
