//! The REST API.
//!
//! A handler parses the request into domain types (`request`), calls one use case or one port, and renders the response
//! (`views`). It makes no decisions about orders or stock. The library depends on ports and use cases only; the programs
//! wire the adapters.
//!
//! Deliberately absent: a connection to the broker. Accepted orders are published from the outbox by the relay in the
//! workers, so the API accepts orders whether or not the broker is up.

mod access;
mod app;
mod batch;
mod change_feed;
mod contract;
mod cors;
mod cursor;
mod docs;
mod endpoint;
mod etag;
mod events;
mod failure;
#[cfg(feature = "settings")]
mod from_settings;
mod health;
mod list;
mod orders;
mod problem;
mod problem_pages;
mod rate_limit;
mod request;
mod response_headers;
mod server;
mod shutdown;
mod state;
mod stock;
mod tls;
mod unread_body;
mod vendors;
mod views;
mod writers;

pub use change_feed::{ChangeFeedHandle, ChangeFeedPorts, ChangeFeedSettings, Watcher};
pub use contract::document_text as openapi_document;
pub use health::StoreReadiness;
pub use problem::{FieldError, Problem, ProblemKind};
pub use rate_limit::RateLimit;
pub use server::{BoundServer, PreparedServer, ServerOptions, StartError, prepare};
pub use shutdown::Shutdown;
pub use state::AppState;
pub use tls::{TlsError, TlsFiles};
pub use vendors::Vendors;
pub use writers::spawn_writers;
