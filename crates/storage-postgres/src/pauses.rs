//! Pauses of vendors whose syncs failed.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz};
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError, StoredPause};
use storage_sql::StoredPauseRow;

use crate::rows::{from_pg, to_pg};
use crate::statement::{Bind, texts};
use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct PauseRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    not_before: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    backoff_until: Option<PgTimestamp>,
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Timestamptz)]
    now: PgTimestamp,
}

impl PauseRow {
    fn into_pause(self) -> Result<StoredPause, StoreError> {
        let row = StoredPauseRow {
            vendor_id: self.vendor_id,
            not_before: self.not_before.map(from_pg),
            backoff_until: self.backoff_until.map(from_pg),
            failures: self.failures,
        };
        storage_sql::vendor_pause(row, from_pg(self.now))
    }
}

fn first(rows: Vec<PauseRow>) -> Result<Option<VendorPause>, StoreError> {
    let row = rows.into_iter().next();
    let stored = row.map(PauseRow::into_pause).transpose()?;
    Ok(stored.map(|stored| stored.pause))
}

fn id(vendor_id: &VendorId) -> Bind {
    Bind::Text(vendor_id.as_str().to_owned())
}

#[async_trait]
impl PauseRepository for PgUnitOfWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures, clock_timestamp() AS now FROM vendor_pauses WHERE vendor_id = $1";
        first(self.load(SQL, vec![id(vendor_id)]).await?)
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_pauses (vendor_id, not_before, backoff_until, failures) VALUES ($1, $2, $3, $4)
ON CONFLICT (vendor_id) DO UPDATE SET not_before = excluded.not_before, backoff_until = excluded.backoff_until,
    failures = excluded.failures";
        let binds = vec![
            id(vendor_id),
            Bind::OptionalTimestamp(pause.not_before.map(to_pg)),
            Bind::OptionalTimestamp(pause.backoff_until.map(to_pg)),
            Bind::BigInt(pause.failures.into()),
        ];
        let written = self.execute(SQL, binds).await?;
        self.expect_rows("recording the pause of a vendor", written, 1)
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
DELETE FROM vendor_pauses WHERE vendor_id = $1
RETURNING vendor_id, not_before, backoff_until, failures, clock_timestamp() AS now";
        first(self.load(SQL, vec![id(vendor_id)]).await?)
    }
}

impl PgUnitOfWork {
    /// Removes the pauses of vendors that are being enabled.
    pub(crate) async fn clear_pauses(&mut self, vendor_ids: Bind) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM vendor_pauses WHERE vendor_id = ANY($1)";
        self.execute(SQL, vec![vendor_ids]).await.map(drop)
    }
}

impl PgStore {
    /// Returns the pauses of the given vendors, by vendor id; vendors without a pause are omitted.
    pub(crate) async fn read_pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<Vec<StoredPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures, clock_timestamp() AS now
FROM vendor_pauses WHERE vendor_id = ANY($1) ORDER BY vendor_id";
        let vendor_ids = texts(vendor_ids.iter().map(VendorId::as_str));
        let found: Vec<PauseRow> = self.load(SQL, vec![vendor_ids]).await?;
        let each = found.into_iter().map(PauseRow::into_pause);
        self.unreadable().leave_out(each)
    }
}
