//! The order aggregator's rules, free of any I/O.
//!
//! Three layers live here, each knowing only the ones before it:
//!
//! 1. **Values and decisions.** [`order`], [`stock`], [`report`] and the pure functions in [`settlement`],
//!    [`allocation`], [`evidence`], [`report_history`], [`comparison`], [`reconciliation`], [`pacing`] and [`vendor_set`]:
//!    plain values in, plain values out.
//! 2. **[`ports`]**: what the use cases need from the outside (a transactional store, a queue, vendors, a clock), each
//!    trait stating its adapter's duties.
//! 3. **[`services`]**: the use cases, which read like a list: begin, lock, decide, save, commit.
//!
//! Beside them, for adapters: [`stored`] reads values back from what a store holds, and [`monotonic_clock`] is a time that
//! never goes back.
//!
//! # How to add a port
//!
//! Write the trait in [`ports`] with every duty as a sentence that contains MUST, give it an error that says whether to
//! retry, add contract functions to the `port-contracts` crate, make the reference adapters pass them, and only then
//! write the adapter that needs a server.
//!
//! # What is not here
//!
//! No runtime, driver, serialisation or HTTP crate: `cargo xtask ci` fails when one appears among this crate's
//! dependencies.

pub mod allocation;
pub mod comparison;
pub mod evidence;
pub mod identifiers;
pub mod monotonic_clock;
pub mod order;
pub mod pacing;
pub mod ports;
pub mod position;
pub mod quantity;
pub mod reconciliation;
pub mod report;
pub mod report_history;
mod retry;
pub mod services;
pub mod settlement;
pub mod stock;
pub mod stored;
pub mod timestamp;
pub mod vendor_set;
mod words;
