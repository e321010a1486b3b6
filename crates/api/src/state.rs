//! What handlers call, put together by whoever wires the adapters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::ports::{OrderQueries, StockQueries};
use domain::services::{ChangeStatus, Intake};
use metrics::MetricsPage;
use readiness::ReadinessProbe;

use crate::problem::Problem;
use crate::vendors::Vendors;

/// What handlers call.
pub struct AppState {
    /// Takes orders.
    pub intake: Intake,
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
    /// Set once this process is about to end: no new orders, not ready.
    pub shutting_down: Arc<AtomicBool>,
}

impl AppState {
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
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
