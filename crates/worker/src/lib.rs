//! The worker's tasks: settlement, relay, sweeper and vendor syncs, on ports only.
//!
//! Each task is a loop that ends when it is stopped or cannot continue. The [`supervisor`] runs the tasks, restarts a task
//! that ended or panicked, and reports restarts in [`health`]. [`tasks::start`] takes the adapters from the binary that
//! wires them.

mod backoff;
pub mod balancer;
pub mod consumer;
pub mod consumer_state;
pub mod health;
pub mod lifecycle;
mod max_age;
pub mod monitor;
pub mod pages;
pub mod relay;
pub mod scheduler;
pub mod supervisor;
pub mod sweeper;
pub mod tasks;
