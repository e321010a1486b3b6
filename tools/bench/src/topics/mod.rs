//! Topics: groups of related measurements.

pub(super) mod ceilings;
pub(super) mod closed;
pub(super) mod embedded;
pub(super) mod events;
pub(super) mod kept;
pub(super) mod open;
pub(super) mod overload;
pub(super) mod streams;
pub(super) mod waiting;

use clap::ValueEnum;

/// A topic of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Topic {
    /// HTTP, PostgreSQL and RabbitMQ, each alone.
    Ceilings,
    /// Orders for one product, by number of connections, compared to pgbench with one transaction per order.
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
    /// Cost of many kept orders.
    Kept,
    /// Memory of the API while it streams long lists.
    Streams,
    /// The standalone program, compared to a loop with one transaction per order.
    Standalone,
}

impl Topic {
    /// All topics in the order of measurement.
    pub(super) const ALL: [Self; 11] = [
        Self::Ceilings,
        Self::Hot,
        Self::Uniform,
        Self::Zipf,
        Self::Open,
        Self::Overload,
        Self::Waiting,
        Self::Events,
        Self::Kept,
        Self::Streams,
        Self::Standalone,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ceilings => "ceilings",
            Self::Hot => "hot",
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
            Self::Open => "open",
            Self::Overload => "overload",
            Self::Waiting => "waiting",
            Self::Events => "events",
            Self::Kept => "kept",
            Self::Streams => "streams",
            Self::Standalone => "standalone",
        }
    }
}
