//! TLS configurations from certificate files, for clients of the servers and for the API.
//!
//! [`ClientTls`] configures connections to PostgreSQL and RabbitMQ, [`server_config`] the server of the API. Both read their
//! files again for each new connection, so a renewed certificate is used without a restart. While replaced files cannot be
//! used, for example because only one of certificate and key is replaced yet, the previous ones stay in use.
//!
//! # Out of scope
//!
//! Connections: the adapters open them, with a runtime or threads of their own.

mod cache;
mod client;
mod error;
mod explanation;
mod files;
mod server;
mod verifier;

pub use client::{ClientTls, ClientTlsOptions, Verification};
pub use error::TlsFileError;
pub use explanation::{explain, tls_error};
pub use files::Identity;
pub use server::server_config;
