//! Test harness that runs the real binaries on real servers. Each test has its own database, RabbitMQ vhost, vendors and
//! ports, or an embedded deployment with its own data file.
//!
//! The binaries are read from the target directory of the test. Build them first; `cargo xtask test` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "this crate is a test harness: a panic fails the test that uses it"
)]

pub mod admin;
mod authority;
mod broker_node;
mod cluster;
mod collector;
mod consumer;
mod deployment;
mod events;
mod load;
mod mock_vendors;
mod pooler;
mod process;
mod proxy;
pub mod scale;
mod standalone;
mod system_user;
mod vendors;
mod vhost;
mod waiting;

pub use authority::{Authority, Issued};
pub use broker_node::BrokerNode;
pub use cluster::Cluster;
pub use collector::{CollectedSpan, Collector};
pub use consumer::{Consumer, allocated, count, sold};
pub use deployment::{Deployment, DeploymentBuilder, database_environment, free_ports};
pub use events::Events;
pub use load::{Load, concurrently};
pub use mock_vendors::MockVendors;
pub use pooler::Pooler;
pub use process::{Process, binary_path};
pub use proxy::Proxy;
pub use standalone::Standalone;
pub use vendors::{serve, vendor_settings};
pub use waiting::eventually;

/// Asserts that a text contains a part.
#[track_caller]
pub fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}
