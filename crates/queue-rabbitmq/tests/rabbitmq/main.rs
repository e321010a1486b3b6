//! The adapter against a real `RabbitMQ`: the contracts of the port, and what only this adapter promises.
//!
//! The broker is the one of `RABBITMQ_URL`, else the local one; each test has a virtual host of its own, made and removed
//! with `rabbitmqctl`, which must be allowed to reach the same broker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that is broken panics, in its support code too"
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
