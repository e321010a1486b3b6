//! The state of the application.

use std::sync::Arc;

use domain::ports::{Clock, OrderQueries, RunQueries, StockQueries, Tracer};
use domain::services::{ChangeStatus, OrderBatcher};
use metrics::MetricsPage;
use readiness::ReadinessProbe;

use crate::change_feed::ChangeFeedHandle;
use crate::problem::Problem;
use crate::shutdown::Shutdown;
use crate::vendors::Vendors;

/// Records the spans of requests.
#[derive(Clone)]
pub(crate) struct RequestTracer {
    pub(crate) tracer: Arc<dyn Tracer>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The use cases and ports that handlers call.
pub(crate) struct AppState {
    /// Accepts orders.
    pub(crate) batcher: OrderBatcher,
    /// Changes the status of orders.
    pub(crate) change_status: ChangeStatus,
    /// Reads orders.
    pub(crate) orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub(crate) stock: Arc<dyn StockQueries>,
    /// Reads the runs of vendors.
    pub(crate) runs: Arc<dyn RunQueries>,
    /// Reads vendors, and syncs them on demand.
    pub(crate) vendors: Vendors,
    /// Checks the readiness of the process.
    pub(crate) readiness: Arc<dyn ReadinessProbe>,
    /// Renders the metrics of the process.
    pub(crate) metrics: MetricsPage,
    /// Records the spans of requests.
    pub(crate) tracer: RequestTracer,
    /// The change feed.
    pub(crate) change_feed: ChangeFeedHandle,
    /// The shutdown signal: once announced, new orders are rejected, the process is not ready, and waiting requests return.
    pub(crate) shutdown: Shutdown,
}

impl AppState {
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutdown.is_announced()
    }

    pub(crate) fn refuse_while_shutting_down(&self) -> Result<(), Problem> {
        if self.is_shutting_down() {
            return Err(Problem::unavailable(
                "the service is shutting down; nothing was recorded",
            ));
        }
        Ok(())
    }
}
