//! Sold units that no report includes yet.

use async_trait::async_trait;
use domain::ports::{InFlight, InFlightQueries, StoreError};

use crate::store::PgStore;

#[async_trait]
impl InFlightQueries for PgStore {
    async fn in_flight(&self) -> Result<InFlight, StoreError> {
        const SQL: &str = "
SELECT (SELECT coalesce(sum(in_flight), 0)::bigint FROM vendor_stock) AS units,
       clock_timestamp() AS now,
       (SELECT created_at FROM orders WHERE status = 'CONFIRMED' ORDER BY id LIMIT 1) AS confirmed_at,
       (SELECT min(shipped_at) FROM allocations WHERE shipped_at IS NOT NULL AND known_as_of IS NULL) AS shipped_at";
        let found = self.load(SQL, Vec::new()).await?;
        Ok(storage_sql::in_flight(&found))
    }
}
