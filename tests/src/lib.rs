//! A deployment of the real binaries on real servers, for one test: its own database, its own RabbitMQ vhost, its own
//! vendors and ports.
//!
//! The binaries are taken from the folder that this test was built into, so build them first: `cargo xtask test` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "this crate is a test harness: what goes wrong here fails the test that uses it"
)]

mod client;
mod deployment;
mod process;
mod proxy;
pub mod scale;
mod vhost;

pub use client::{Client, Order};
pub use deployment::{Deployment, DeploymentBuilder, eventually};
pub use process::Process;
pub use proxy::Proxy;
