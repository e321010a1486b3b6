//! What a process counts, and the page that Prometheus reads it from.
//!
//! [`Metrics`] hears of what the use cases do through the port [`Observer`](domain::ports::Observer); [`HttpRecorder`] counts
//! requests. [`MetricsPage`] renders both, with what is read at the moment of asking: the outbox and the process. Nothing is
//! kept in statics: a process makes one [`Metrics`] and passes it on.
//!
//! Names follow Prometheus' conventions: base units, `_total` for counters, and `aggregator_` before what is this service's
//! own. Each label has few values, all known beforehand: routes, not paths, and configured vendors.

mod counters;
mod http;
mod page;
mod process;

pub use counters::{EventMetrics, InvalidMetric, Metrics};
pub use http::{HttpMetrics, HttpRecorder, NO_ROUTE};
pub use page::MetricsPage;
