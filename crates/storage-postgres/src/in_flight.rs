//! Sold units that no report includes yet.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Nullable, Timestamptz};
use domain::ports::{InFlight, InFlightQueries, StoreError};

use crate::rows::from_pg;
use crate::store::PgStore;

#[derive(QueryableByName)]
struct InFlightRow {
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = Timestamptz)]
    now: PgTimestamp,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    confirmed_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    shipped_at: Option<PgTimestamp>,
}

#[async_trait]
impl InFlightQueries for PgStore {
    async fn in_flight(&self) -> Result<InFlight, StoreError> {
        const SQL: &str = "
SELECT (SELECT coalesce(sum(in_flight), 0)::bigint FROM vendor_stock) AS units,
       clock_timestamp() AS now,
       (SELECT created_at FROM orders WHERE status = 'CONFIRMED' ORDER BY id LIMIT 1) AS confirmed_at,
       (SELECT min(shipped_at) FROM allocations WHERE shipped_at IS NOT NULL AND known_as_of IS NULL) AS shipped_at";
        let found: Vec<InFlightRow> = self.load(SQL, Vec::new()).await?;
        Ok(found.first().map_or_else(InFlight::default, |row| {
            let age = |instant| from_pg(row.now).since(from_pg(instant));
            InFlight {
                units: row.units.unsigned_abs(),
                oldest_confirmed: row.confirmed_at.map(age),
                oldest_shipped: row.shipped_at.map(age),
            }
        }))
    }
}
