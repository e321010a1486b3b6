//! The store in PostgreSQL, using diesel-async and a deadpool pool.
//!
//! [`PgStore`] begins units of work and executes queries; [`PgLeases`], [`PgNotifier`] and [`PgListener`] use
//! connections outside the pool; [`migrations`] updates the schema. SQL is written by hand, set-based, with one
//! statement per table and batch, prepared once per connection (module `statement`).
//!
//! The lock order of the domain's `UnitOfWork` holds statement by statement: every statement that locks several rows
//! sorts them first, and no statement locks rows of two tables.

mod audit;
mod changes;
mod checkout;
mod commits;
mod connect_error;
mod consumers;
mod dead_letters;
mod dial;
mod error;
mod held_positions;
mod in_flight;
mod leases;
pub mod migrations;
mod notify;
mod options;
mod orders;
mod outbox;
mod pauses;
mod quarantine;
mod queries;
mod runs;
mod server_check;
#[cfg(all(test, feature = "test-support"))]
mod server_tests;
mod session;
mod settlement_locks;
mod statement;
mod stock;
mod store;
mod sync;
mod sync_queries;
#[cfg(feature = "test-support")]
pub mod test_database;
mod topics;
mod transfer;
mod unit_of_work;
mod vendor_rename;
mod vendor_set;
mod vendors;
mod wire;
mod writes;

pub use connect_error::ConnectError;
pub use dial::{Wire, open_stream};
pub use leases::PgLeases;
pub use notify::{PgListener, PgNotifier};
pub use options::PgOptions;
pub use server_check::{PoolingMode, ServerReport, check_server};
pub use store::PgStore;
pub use transfer::unfinished_import;
