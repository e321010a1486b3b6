//! What handlers call, put together by whoever wires the adapters.

use std::sync::Arc;

use domain::ports::{OrderQueries, StockQueries};
use domain::services::{ChangeStatus, OrderBatcher};
use metrics::MetricsPage;
use readiness::ReadinessProbe;

use crate::live::Live;
use crate::problem::Problem;
use crate::shutdown::Shutdown;
use crate::vendors::Vendors;

/// What handlers call.
pub struct AppState {
    /// Takes orders.
    pub batcher: OrderBatcher,
    /// Changes statuses.
    pub change_status: ChangeStatus,
    /// Reads orders.
    pub orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub stock: Arc<dyn StockQueries>,
    /// Reads vendors, and syncs them on demand.
    pub vendors: Vendors,
    /// Looks whether this process can do its work.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Shows what this process counts.
    pub metrics: MetricsPage,
    /// Where requests wait for changes.
    pub live: Live,
    /// Announced once this process is about to end: no new orders, not ready, nobody waits.
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
