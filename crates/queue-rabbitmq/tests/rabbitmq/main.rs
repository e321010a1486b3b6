//! Tests of the adapter against a real `RabbitMQ`: the contracts of the port, and the guarantees of this adapter.
//!
//! The broker is given by `RABBITMQ_URL`, by default the local one. Each test has a virtual host of its own, created
//! and deleted with `rabbitmqctl`, which must be able to reach the same broker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests and their support code panic on failure"
)]

mod broker;
mod contracts;
mod dead_letters;
mod delivery;
mod outages;
mod proxy;
mod publishing;
mod recovery;
mod rights;
mod sharing;
