//! The store in one SQLite file, for a deployment of one process.
//!
//! [`SqliteStore`] begins units of work and answers queries. SQLite has one writer at a time, so one thread holds the
//! connection that writes and units of work take turns on it (module `executor`); a few more threads answer reads, which
//! wait for nobody. What is committed is on the disk: write-ahead log, `synchronous=FULL`.
//!
//! Statements that write run row by row and not set by set: SQLite has no round trip to save, and a prepared statement is
//! a few microseconds (<https://sqlite.org/np1queryprob.html>).
//!
//! # What is not here
//!
//! Several processes on one file: the second one is refused (module `file_lock`). Signals and leases: within one process
//! they need no store.

mod audit;
mod changes;
mod dead_letters;
mod error;
mod executor;
mod file_lock;
mod in_flight;
mod open;
mod options;
mod order_numbers;
mod orders;
mod outbox;
mod pauses;
mod queries;
mod rows;
mod statement;
mod stock;
mod store;
mod sync;
mod sync_queries;
mod transfer;
mod unit_of_work;
mod vendor_rename;
mod vendor_set;
mod vendors;
mod writes;

pub use open::OpenError;
pub use options::SqliteOptions;
pub use store::SqliteStore;
