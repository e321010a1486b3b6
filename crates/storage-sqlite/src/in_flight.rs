//! Sold units that no report includes yet.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};
use domain::ports::{InFlight, InFlightQueries, StoreError};
use domain::timestamp::Timestamp;

use crate::statement::load;
use crate::store::SqliteStore;

#[derive(QueryableByName)]
struct InFlightRow {
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    confirmed_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    shipped_at: Option<i64>,
}

#[async_trait]
impl InFlightQueries for SqliteStore {
    async fn in_flight(&self) -> Result<InFlight, StoreError> {
        const SQL: &str = "
SELECT (SELECT coalesce(sum(in_flight), 0) FROM vendor_stock) AS units,
       (SELECT created_at FROM orders WHERE status = 'CONFIRMED' ORDER BY id LIMIT 1) AS confirmed_at,
       (SELECT min(shipped_at) FROM allocations WHERE shipped_at IS NOT NULL AND known_as_of IS NULL) AS shipped_at";
        let found: Vec<InFlightRow> = self
            .read(move |connection| load(connection, SQL, []))
            .await?;
        let now = self.shared().clock.now();
        let age = |micros: i64| now.since(Timestamp::from_micros(micros));
        Ok(found
            .first()
            .map_or_else(InFlight::default, |row| InFlight {
                units: row.units.unsigned_abs(),
                oldest_confirmed: row.confirmed_at.map(age),
                oldest_shipped: row.shipped_at.map(age),
            }))
    }
}
