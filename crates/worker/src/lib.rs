//! The worker's tasks: they settle, relay, sweep and sync, over ports alone.
//!
//! Each task is a loop that ends only when it is told to or when it cannot go on; [`supervisor`] runs them, starts one
//! that ended or panicked again, and shows it in [`health`]. [`tasks::start`] takes the adapters from whoever wires them.

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
