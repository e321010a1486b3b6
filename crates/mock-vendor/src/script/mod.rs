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
mod encoding;
mod fault;
mod files;
mod http;
mod pages;
mod plan;
#[cfg(feature = "push")]
mod push;
mod running;
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
mod server;
mod table;
mod transport;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use self::files::Schedule;
use self::http::HttpVendor;
use self::plan::Plan;
pub use self::running::ScriptedVendor;
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
    #[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
    Server(Box<server::FileServer>),
    #[cfg(feature = "push")]
    Push(push::PushVendor),
}

/// A vendor that writes files into a directory of this machine.
#[derive(Debug)]
struct FileVendor {
    directory: PathBuf,
    schedule: Schedule,
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
    /// A vendor cannot listen on its address, or cannot create its directory or its certificate.
    pub fn start(self) -> Result<Vec<ScriptedVendor>, VendorFailure> {
        self.vendors
            .into_iter()
            .map(ScriptedVendor::start)
            .collect()
    }
}

#[cfg(test)]
mod tests;
