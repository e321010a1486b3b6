//! Pauses of vendors whose syncs failed, or that an operator has paused.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{
    OperatorPause, OperatorPauseRepository, PauseRepository, StoreError, StoredPause,
};
use domain::vendor_set::VendorSource;
use storage_sql::{Bind, END_OPERATOR_PAUSE, FIND_OPERATOR_PAUSE, SAVE_PAUSE, SOURCE_OF};

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

#[async_trait]
impl OperatorPauseRepository for PgUnitOfWork {
    async fn find_vendor_source(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSource>, StoreError> {
        storage_sql::vendor_source(self.load(SOURCE_OF, vec![vendor_id.into()]).await?)
    }

    async fn pause_vendor(
        &mut self,
        vendor_id: &VendorId,
        reason: Option<String>,
    ) -> Result<Option<OperatorPause>, StoreError> {
        const SQL: &str = "
UPDATE vendor_syncs SET paused_at = coalesce(paused_at, clock_timestamp()), pause_reason = coalesce($1, pause_reason)
WHERE vendor_id = $2 RETURNING paused_at AS since, pause_reason AS reason";
        let binds = vec![reason.as_deref().into(), vendor_id.into()];
        Ok(storage_sql::operator_pause(self.load(SQL, binds).await?))
    }

    async fn resume_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, StoreError> {
        let found = self.load(FIND_OPERATOR_PAUSE, vec![vendor_id.into()]);
        let paused = storage_sql::operator_pause(found.await?);
        if paused.is_some() {
            let written = self.execute(END_OPERATOR_PAUSE, vec![vendor_id.into()]);
            let written = written.await?;
            self.expect_rows("ending the pause of a vendor", written, 1)?;
        }
        Ok(paused)
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
SELECT v.vendor_id, p.not_before, p.backoff_until, coalesce(p.failures, 0) AS failures, v.paused_at, v.pause_reason,
    clock_timestamp() AS now
FROM vendor_syncs v LEFT JOIN vendor_pauses p USING (vendor_id)
WHERE v.vendor_id = ANY($1) AND (p.vendor_id IS NOT NULL OR v.paused_at IS NOT NULL) ORDER BY v.vendor_id";
        let found = self.load(SQL, vec![vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::stored_pause);
        self.unreadable().leave_out(each)
    }
}
