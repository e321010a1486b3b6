//! Units that are sold and that no report includes yet.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The units in flight of all vendors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Their number.
    pub units: u64,
    /// Time since the oldest `CONFIRMED` order was accepted; none without such an order.
    pub oldest_confirmed: Option<Duration>,
    /// Time since the oldest shipment that no report is proven to include; none without such a shipment. It grows for as
    /// long as a vendor's reports prove nothing.
    pub oldest_shipped: Option<Duration>,
}

/// Reads the units in flight.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait InFlightQueries: Send + Sync {
    /// The units in flight at one moment. MUST NOT lock any row; may read every position, so that callers bound how
    /// often they call it.
    async fn in_flight(&self) -> Result<InFlight, StoreError>;
}
