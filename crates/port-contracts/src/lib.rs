//! What every adapter must do, as one suite of async functions over the ports.
//!
//! An adapter's own tests hand the suite a way to set it up, and get one test a contract:
//!
//! ```text
//! async fn setup() -> (port_contracts::StorageUnderTest, MyTemporaryDatabase) { … }
//!
//! port_contracts::storage_contracts!(setup);
//! port_contracts::storage_model!(setup);
//! ```
//!
//! Each must be an integration test, in `tests/`: a contract that was kept is recorded in the folder that cargo gives to
//! those, and `cargo xtask test` makes a table of the records.
//!
//! The reference adapters (in memory, in process) run the same functions as those that need a server, so a contract that
//! no adapter could keep shows at once. What only one adapter promises is tested in that adapter.
//!
//! # How to add a contract
//!
//! Write a `pub async fn` over `&StorageUnderTest` or `&QueueUnderTest` in the module of its topic, and name it in the
//! list of its macro; a test of this crate fails for a contract that no list names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test-support crate: a contract that is broken panics"
)]

pub mod builders;
mod expansion;
pub mod model;
pub mod queue;
mod record;
mod shop;
pub mod storage;

pub use expansion::{finish, in_time};
pub use queue::QueueUnderTest;
#[doc(hidden)]
pub use record::{record, record_list};
pub use storage::StorageUnderTest;
