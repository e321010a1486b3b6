//! A store in memory: the reference model of the storage ports.
//!
//! Tests use it where the database is irrelevant, and the contracts are developed on it first. It is the simplest
//! correct model: one unit of work at a time, on a copy of the tables that replaces the committed tables on commit and
//! is discarded on drop. The tables are the relational ones, row by row, so that the audit has the same meaning as in a
//! database.
//!
//! # Out of scope
//!
//! Durability, and concurrent units of work.

mod audit;
mod changes;
mod damage;
mod dead_letters;
mod in_flight;
mod orders;
mod outbox;
mod pauses;
mod quarantine;
mod queries;
mod runs;
mod stock;
mod store;
mod sync;
mod tables;
mod unit_of_work;
mod vendor_rename;
mod vendor_set;
mod writes;

pub use store::MemoryStore;
