//! The topics: each a list of measurements that are read together.

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

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Topic {
    /// What HTTP, PostgreSQL and RabbitMQ can each do alone.
    Ceilings,
    /// All orders for one product, by number of connections, beside pgbench with a transaction for each order.
    Hot,
    /// The same over 1,000 products, each as likely.
    Uniform,
    /// The same over 1,000 products, some far more likely than others.
    Zipf,
    /// Latency by offered load.
    Open,
    /// Twice the highest load.
    Overload,
    /// What it costs that answers wait until their orders are settled.
    Waiting,
    /// Orders while many read events, some of whom are stuck.
    Events,
    /// What many orders kept cost.
    Kept,
    /// The API's memory while long lists are streamed.
    Streams,
    /// The embedded program, beside a plain loop with a transaction for each order.
    Standalone,
}

impl Topic {
    /// In the order in which they are measured.
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
