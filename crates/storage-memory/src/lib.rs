//! A store in memory: the reference model of the storage ports.
//!
//! It is what tests swap in where a database is not the point, and what the contracts are tried on first. Its model is
//! the simplest that is right: one unit of work at a time, on a copy of the tables that is swapped in by the commit and
//! forgotten by a drop. Its tables are the relational ones, row by row, so that its audit means the same as a
//! database's.
//!
//! # What is not here
//!
//! Durability, and concurrency of units of work.

mod audit;
mod changes;
mod damage;
mod dead_letters;
mod in_flight;
mod orders;
mod outbox;
mod pauses;
mod queries;
mod stock;
mod store;
mod sync;
mod tables;
mod unit_of_work;
mod vendor_rename;
mod vendor_set;
mod writes;

pub use store::MemoryStore;
