//! The state of the application, built by the programs that wire the adapters.

use std::sync::Arc;

use domain::ports::{OrderQueries, StockQueries};
use domain::services::{ChangeStatus, OrderBatcher};
use metrics::MetricsPage;
use readiness::ReadinessProbe;

use crate::change_feed::ChangeFeedHandle;
use crate::problem::Problem;
use crate::shutdown::Shutdown;
use crate::vendors::Vendors;

/// The use cases and ports that handlers call.
pub struct AppState {
    /// Accepts orders.
    pub batcher: OrderBatcher,
    /// Changes the status of orders.
    pub change_status: ChangeStatus,
    /// Reads orders.
    pub orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub stock: Arc<dyn StockQueries>,
    /// Reads vendors, and syncs them on demand.
    pub vendors: Vendors,
    /// Checks the readiness of the process.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Renders the metrics of the process.
    pub metrics: MetricsPage,
    /// The change feed.
    pub change_feed: ChangeFeedHandle,
    /// The shutdown signal: once announced, new orders are rejected, the process is not ready, and waiting requests return.
    pub shutdown: Shutdown,
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
