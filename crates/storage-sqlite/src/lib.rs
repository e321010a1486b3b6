//! The store in one SQLite file, for a deployment with one process.
//!
//! [`SqliteStore`] begins units of work and executes queries. SQLite has one writer at a time, so one thread holds the
//! writing connection and units of work run on it one after the other (module `writer`); a few more threads execute
//! reads, which do not wait for the writer (module `executor`). Commits are durable: write-ahead log, `synchronous=FULL`,
//! except those of relaxed units of work. Tasks that mostly write can run on the writer's thread
//! ([`SqliteStore::writer_runtime`]).
//!
//! Writing statements run row by row instead of set-based: SQLite has no round trip to save, and a prepared statement
//! takes a few microseconds (<https://sqlite.org/np1queryprob.html>).
//!
//! # Out of scope
//!
//! Several processes on one file: the second one is rejected (module `file_lock`). Notifications and leases: within one
//! process they do not need a store.

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
mod quarantine;
mod queries;
mod runs;
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
mod writer;
mod writes;

pub use open::OpenError;
pub use options::SqliteOptions;
pub use store::SqliteStore;
