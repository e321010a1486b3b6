//! Units that are sold and that no report includes yet.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The units in flight of all vendors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Number of units.
    pub units: u64,
    /// Time since the oldest `CONFIRMED` order was accepted; `None` if there is no such order.
    pub oldest_confirmed: Option<Duration>,
    /// Time since the oldest shipment that no report is proven to include; `None` if there is no such shipment. It grows
    /// while a vendor's reports prove nothing.
    pub oldest_shipped: Option<Duration>,
}

/// Reads the units in flight.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait InFlightQueries: Send + Sync {
    /// Returns the units in flight in one consistent snapshot. MUST NOT lock any row. May scan all vendor stock, so callers
    /// limit how often they call it.
    async fn in_flight(&self) -> Result<InFlight, StoreError>;
}
