//! A deployment of the real binaries on real servers, for one test: its own database, its own RabbitMQ vhost, its own
//! vendors and ports. Or the embedded one, with its own data file.
//!
//! The binaries are taken from the folder that this test was built into, so build them first: `cargo xtask test` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "this crate is a test harness: what goes wrong here fails the test that uses it"
)]

mod cluster;
mod consumer;
mod deployment;
mod events;
mod pooler;
mod process;
mod proxy;
pub mod scale;
mod standalone;
mod system_user;
mod vendors;
mod vhost;
mod waiting;
pub mod xtask;

pub use cluster::Cluster;
pub use consumer::{Consumer, allocated, count, sold};
pub use deployment::{Deployment, DeploymentBuilder, database_environment};
pub use events::Events;
pub use pooler::Pooler;
pub use process::Process;
pub use proxy::Proxy;
pub use standalone::Standalone;
pub use waiting::eventually;
