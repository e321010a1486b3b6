//! The REST API: requests in, domain values out, and back.
//!
//! A handler parses what it got (`request`), calls one use case or one port, and renders the answer (`views`). It
//! decides nothing about orders or stock. This library knows ports and use cases only; which adapters stand behind them
//! is wired in the program.
//!
//! What is deliberately absent: a connection to the broker. An accepted order is handed over by the outbox, whose relay
//! runs in the workers, so this API takes orders whether or not the broker is up.

mod access;
mod answer_headers;
mod app;
mod batch;
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
mod live;
mod orders;
mod problem;
mod problem_pages;
mod rate_limit;
mod request;
mod server;
mod shutdown;
mod state;
mod stock;
mod tls;
mod unread_body;
mod vendors;
mod views;
mod writers;

pub use contract::document_text as openapi_document;
pub use health::StoreReadiness;
pub use live::{Live, LivePorts, LiveSettings, Watcher};
pub use problem::{FieldError, Problem, ProblemKind};
pub use rate_limit::RateLimit;
pub use server::{BoundServer, PreparedServer, ServerOptions, StartError, prepare};
pub use shutdown::Shutdown;
pub use state::AppState;
pub use tls::{TlsError, TlsFiles};
pub use vendors::Vendors;
pub use writers::spawn_writers;
