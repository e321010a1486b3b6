//! Pauses of vendors whose syncs failed.

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError, StoredPause};
use storage_sql::{Bind, SAVE_PAUSE};

use crate::error::expect_one;
use crate::statement::execute;
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

/// Removes the pauses of vendors that are being enabled; their ids are a JSON array.
pub(crate) fn clear(connection: &mut SqliteConnection, vendor_ids: Bind) -> Result<(), StoreError> {
    const SQL: &str =
        "DELETE FROM vendor_pauses WHERE vendor_id IN (SELECT value FROM json_each($1))";
    execute(connection, SQL, vec![vendor_ids]).map(drop)
}

#[async_trait]
impl PauseRepository for SqliteUnitOfWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures, $1 AS now FROM vendor_pauses WHERE vendor_id = $2";
        let binds = vec![self.now().into(), vendor_id.into()];
        storage_sql::vendor_pause(self.load(SQL, binds).await?)
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        let vendor_id = vendor_id.clone();
        let binds = vec![
            (&vendor_id).into(),
            pause.not_before.into(),
            pause.backoff_until.into(),
            pause.failures.into(),
        ];
        self.call(move |connection, _| {
            let written = execute(connection, SAVE_PAUSE, binds)?;
            expect_one("recording the pause of", &vendor_id, written)
        })
        .await
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
DELETE FROM vendor_pauses WHERE vendor_id = $1
RETURNING vendor_id, not_before, backoff_until, failures, $2 AS now";
        let binds = vec![vendor_id.into(), self.now().into()];
        storage_sql::vendor_pause(self.load(SQL, binds).await?)
    }
}

impl SqliteStore {
    /// Returns the pauses of the given vendors, by vendor id; vendors without a pause are omitted.
    pub(crate) async fn read_pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<Vec<StoredPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures, $1 AS now FROM vendor_pauses
WHERE vendor_id IN (SELECT value FROM json_each($2)) ORDER BY vendor_id";
        let now = self.shared().clock.now();
        let found = self.load(SQL, vec![now.into(), vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::stored_pause);
        self.shared().unreadable.leave_out(each)
    }
}
