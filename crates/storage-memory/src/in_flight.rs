//! Sold units that no report includes yet.

use async_trait::async_trait;
use domain::order::OrderStatus;
use domain::ports::{InFlight, InFlightQueries, StoreError};

use crate::store::MemoryStore;

#[async_trait]
impl InFlightQueries for MemoryStore {
    async fn in_flight(&self) -> Result<InFlight, StoreError> {
        let tables = self.committed();
        let now = self.shared().clock.now();
        let confirmed = tables.orders.values();
        let confirmed = confirmed.filter(|row| row.status == OrderStatus::Confirmed);
        let shipped = tables.allocations.values();
        let shipped = shipped.filter(|row| row.known_as_of.is_none());
        Ok(InFlight {
            units: tables
                .vendor_stock
                .values()
                .map(|row| u64::from(row.in_flight))
                .sum(),
            oldest_confirmed: confirmed
                .map(|row| row.created_at)
                .min()
                .map(|instant| now.since(instant)),
            oldest_shipped: shipped
                .filter_map(|row| row.shipped_at)
                .min()
                .map(|instant| now.since(instant)),
        })
    }
}
