//! Pauses of vendors whose syncs failed.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError, StoredPause};
use domain::timestamp::Timestamp;
use storage_sql::StoredPauseRow;

use crate::error::expect_one;
use crate::statement::{Bind, execute, json, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct PauseRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    not_before: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    backoff_until: Option<i64>,
    #[diesel(sql_type = Integer)]
    failures: i32,
}

impl PauseRow {
    fn into_pause(self, now: Timestamp) -> Result<StoredPause, StoreError> {
        let row = StoredPauseRow {
            vendor_id: self.vendor_id,
            not_before: self.not_before.map(Timestamp::from_micros),
            backoff_until: self.backoff_until.map(Timestamp::from_micros),
            failures: self.failures,
        };
        storage_sql::vendor_pause(row, now)
    }
}

fn first(rows: Vec<PauseRow>, now: Timestamp) -> Result<Option<VendorPause>, StoreError> {
    let row = rows.into_iter().next();
    let stored = row.map(|row| row.into_pause(now)).transpose()?;
    Ok(stored.map(|stored| stored.pause))
}

/// Removes the pauses of vendors that are being enabled; their ids are a JSON array.
pub(crate) fn clear(connection: &mut SqliteConnection, vendor_ids: Bind) -> Result<(), StoreError> {
    const SQL: &str =
        "DELETE FROM vendor_pauses WHERE vendor_id IN (SELECT value FROM json_each(?))";
    execute(connection, SQL, [vendor_ids]).map(drop)
}

#[async_trait]
impl PauseRepository for SqliteUnitOfWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures FROM vendor_pauses WHERE vendor_id = ?";
        let binds = [vendor_id.into()];
        self.call(move |connection, now| first(load(connection, SQL, binds)?, now()))
            .await
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_pauses (vendor_id, not_before, backoff_until, failures) VALUES (?, ?, ?, ?)
ON CONFLICT (vendor_id) DO UPDATE SET not_before = excluded.not_before, backoff_until = excluded.backoff_until,
    failures = excluded.failures";
        let vendor_id = vendor_id.clone();
        let binds = [
            (&vendor_id).into(),
            pause.not_before.into(),
            pause.backoff_until.into(),
            pause.failures.into(),
        ];
        self.call(move |connection, _| {
            let written = execute(connection, SQL, binds)?;
            expect_one("recording the pause of", &vendor_id, written)
        })
        .await
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
DELETE FROM vendor_pauses WHERE vendor_id = ? RETURNING vendor_id, not_before, backoff_until, failures";
        let binds = [vendor_id.into()];
        self.call(move |connection, now| first(load(connection, SQL, binds)?, now()))
            .await
    }
}

impl SqliteStore {
    /// Returns the pauses of the given vendors, by vendor id; vendors without a pause are omitted.
    pub(crate) async fn read_pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<Vec<StoredPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures FROM vendor_pauses
WHERE vendor_id IN (SELECT value FROM json_each(?)) ORDER BY vendor_id";
        let vendor_ids = json(vendor_ids.iter().map(VendorId::as_str));
        let found: Vec<PauseRow> = self
            .read(move |connection| load(connection, SQL, [vendor_ids]))
            .await?;
        let now = self.shared().clock.now();
        let each = found.into_iter().map(|row| row.into_pause(now));
        self.shared().unreadable.leave_out(each)
    }
}
