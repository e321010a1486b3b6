//! Pauses of vendors whose syncs failed.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError, StoredPause};
use storage_sql::{Bind, SAVE_PAUSE};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl PauseRepository for PgUnitOfWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, not_before, backoff_until, failures, clock_timestamp() AS now FROM vendor_pauses WHERE vendor_id = $1";
        storage_sql::vendor_pause(self.load(SQL, vec![vendor_id.into()]).await?)
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        let binds = vec![
            vendor_id.into(),
            pause.not_before.into(),
            pause.backoff_until.into(),
            pause.failures.into(),
        ];
        let written = self.execute(SAVE_PAUSE, binds).await?;
        self.expect_rows("recording the pause of a vendor", written, 1)
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        const SQL: &str = "
DELETE FROM vendor_pauses WHERE vendor_id = $1
RETURNING vendor_id, not_before, backoff_until, failures, clock_timestamp() AS now";
        storage_sql::vendor_pause(self.load(SQL, vec![vendor_id.into()]).await?)
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
        let found = self.load(SQL, vec![vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::stored_pause);
        self.unreadable().leave_out(each)
    }
}
