//! The domain of the order aggregator: types, decisions, ports and use cases, without I/O.
//!
//! Three layers, each using only the previous ones:
//!
//! 1. **Values and decisions.** [`order`], [`stock`], [`report`] and the pure functions in [`settlement`], [`allocation`],
//!    [`evidence`], [`report_history`], [`comparison`], [`guard`], [`preview`], [`reconciliation`], [`run`], [`refusal`],
//!    [`pacing`] and [`vendor_set`].
//! 2. **[`ports`]**: the interfaces that the use cases need (a transactional store, a queue, vendors, a clock). Each trait
//!    states its adapter's duties.
//! 3. **[`services`]**: the use cases. Each reads like the order flow: begin, lock, decide, save, commit.
//!
//! For adapters there is also [`monotonic_clock`], a clock that never goes backwards. [`trace`] has the values of traces.
//!
//! # How to add a port
//!
//! Write the trait in [`ports`] with every duty as a sentence that contains MUST, give it an error that states whether to
//! retry, add contract functions to the `port-contracts` crate, make the reference adapters pass them, and only then write
//! the adapter that needs a server.
//!
//! # What is not here
//!
//! No runtime, driver, serialisation or HTTP crate: `cargo xtask ci` fails if this crate depends on one.

pub mod allocation;
pub mod change_offset;
pub mod comparison;
pub mod evidence;
pub mod guard;
pub mod identifiers;
pub mod monotonic_clock;
pub mod order;
pub mod pacing;
pub mod ports;
pub mod preview;
pub mod quantity;
pub mod reconciliation;
pub mod refusal;
pub mod report;
pub mod report_history;
mod retry;
pub mod run;
pub mod services;
pub mod settlement;
pub mod stock;
pub mod timestamp;
pub mod trace;
pub mod validators;
pub mod vendor_set;
