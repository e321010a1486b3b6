//! Contract tests that every adapter runs: async functions over the ports.
//!
//! An adapter's tests pass a setup function to the macros, which expand to one test per contract:
//!
//! ```text
//! async fn setup() -> (port_contracts::StorageUnderTest, MyTemporaryDatabase) { … }
//!
//! port_contracts::storage_contracts!(setup);
//! store_model_test::storage_model!(setup);
//! ```
//!
//! The macros must be invoked in an integration test under `tests/`: each passed contract is recorded in the directory that
//! cargo provides to integration tests, and `cargo xtask test` prints a table of the records.
//!
//! The reference adapters (in memory, in process) run the same functions as the adapters that need a server, so a contract
//! that no adapter can satisfy is noticed immediately. Behaviour that only one adapter guarantees is tested in that adapter.
//!
//! # How to add a contract
//!
//! Write a `pub async fn` over `&StorageUnderTest` or `&QueueUnderTest` in the module of its topic, and add it to the list
//! of its macro. A test of this crate fails if a contract is missing from the list.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test-support crate: a failed contract panics"
)]

pub mod builders;
mod conditional_feed;
mod expansion;
pub mod queue;
mod record;
mod scripted_feed;
pub mod storage;
mod use_cases;

pub use expansion::{finish, in_time};
pub use queue::QueueUnderTest;
#[doc(hidden)]
pub use record::{record, record_list};
pub use storage::StorageUnderTest;
