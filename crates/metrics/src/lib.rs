//! Metrics of a process, and the endpoint that Prometheus scrapes.
//!
//! [`Metrics`] implements the port [`Observer`](domain::ports::Observer), through which the use cases report events;
//! [`HttpRecorder`] records requests. [`MetricsPage`] renders both, together with gauges of the store and the process that
//! are read on each scrape or cached briefly. There are no statics: a process creates one [`Metrics`] and passes it on.
//!
//! Names follow the conventions of Prometheus: base units, the suffix `_total` for counters, and the prefix `aggregator_`
//! for metrics specific to this service. Labels have few values, which are known in advance: routes instead of paths, and
//! configured vendors.

mod build;
mod counters;
mod http;
mod page;
mod process;

pub use build::BuildInfo;
pub use counters::{EventMetrics, InvalidMetric, Metrics};
pub use http::{HttpMetrics, HttpRecorder, NO_ROUTE};
pub use page::MetricsPage;
