//! The REST API.
//!
//! A handler parses the request into domain types (`request`), calls one use case or one port, and renders the response
//! (`views`). It makes no decisions about orders or stock. The library depends on ports and use cases only; the programs
//! wire the adapters.
//!
//! Deliberately absent: a connection to the broker. Accepted orders are published from the outbox by the relay in the
//! workers, so the API accepts orders whether or not the broker is up.

mod change_feed;
mod cursor;
mod endpoint;
mod endpoints;
mod etag;
mod failure;
#[cfg(feature = "settings")]
mod from_settings;
mod list;
mod middleware;
mod openapi;
mod panic;
mod problem;
mod request;
mod routes;
mod server;
mod shutdown;
mod start;
mod state;
mod store_readiness;
mod vendors;
mod views;
mod writers;

pub use change_feed::ChangeFeedSettings;
pub use middleware::rate_limit::RateLimit;
pub use problem::{FieldError, Problem, ProblemKind};
pub use routes::openapi_document;
pub use server::{PreparedServer, ServerOptions, StartError, prepare};
pub use shutdown::Shutdown;
pub use start::{ApiPorts, ApiStore, RunningServer, start};
pub use store_readiness::StoreReadiness;
pub use tls_config::{Identity, TlsFileError};
