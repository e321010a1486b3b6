//! Topics: groups of related measurements.

pub(super) mod ceilings;
pub(super) mod closed;
pub(super) mod crash;
pub(super) mod embedded;
pub(super) mod events;
pub(super) mod kept;
pub(super) mod open;
pub(super) mod overload;
pub(super) mod streams;
pub(super) mod waiting;

use clap::ValueEnum;
use strum::Display;

/// A topic of measurements, in the order of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Display)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Topic {
    /// HTTP, PostgreSQL and RabbitMQ, each alone.
    Ceilings,
    /// Orders for one product, by number of connections, compared to pgbench with one transaction per order and with a row per
    /// unit, and to a script in Redis.
    Hot,
    /// Orders for 1,000 products, uniform distribution.
    Uniform,
    /// Orders for 1,000 products, Zipf distribution.
    Zipf,
    /// Latency by offered load.
    Open,
    /// Twice the maximum load.
    Overload,
    /// Cost of responses that wait for settlement.
    Waiting,
    /// Orders with many event readers, some of them stuck.
    Events,
    /// Orders lost when processes are killed, compared to a script in Redis.
    Crash,
    /// Cost of many kept orders.
    Kept,
    /// Memory of the API while it streams long lists.
    Streams,
    /// The standalone program, compared to a loop with one transaction per order.
    Standalone,
}
