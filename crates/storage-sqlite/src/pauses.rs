//! Pauses of vendors whose syncs failed, or that an operator has paused.

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{
    OperatorPause, OperatorPauseRepository, PauseRepository, StoreError, StoredPause,
};
use domain::vendor_set::VendorSource;
use storage_sql::{Bind, END_OPERATOR_PAUSE, FIND_OPERATOR_PAUSE, SAVE_PAUSE, SOURCE_OF};

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

#[async_trait]
impl OperatorPauseRepository for SqliteUnitOfWork {
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
UPDATE vendor_syncs SET paused_at = coalesce(paused_at, $1), pause_reason = coalesce($2, pause_reason)
WHERE vendor_id = $3 RETURNING paused_at AS since, pause_reason AS reason";
        let binds = vec![
            self.now().into(),
            reason.as_deref().into(),
            vendor_id.into(),
        ];
        Ok(storage_sql::operator_pause(self.load(SQL, binds).await?))
    }

    async fn resume_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, StoreError> {
        let found = self.load(FIND_OPERATOR_PAUSE, vec![vendor_id.into()]);
        let paused = storage_sql::operator_pause(found.await?);
        if paused.is_some() {
            self.execute(END_OPERATOR_PAUSE, vec![vendor_id.into()])
                .await?;
        }
        Ok(paused)
    }
}

impl SqliteStore {
    /// Returns the pauses of the given vendors, by vendor id; vendors without a pause are omitted.
    pub(crate) async fn read_pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<Vec<StoredPause>, StoreError> {
        const SQL: &str = "
SELECT v.vendor_id, p.not_before, p.backoff_until, coalesce(p.failures, 0) AS failures, v.paused_at, v.pause_reason,
    $1 AS now
FROM vendor_syncs v LEFT JOIN vendor_pauses p USING (vendor_id)
WHERE v.vendor_id IN (SELECT value FROM json_each($2)) AND (p.vendor_id IS NOT NULL OR v.paused_at IS NOT NULL)
ORDER BY v.vendor_id";
        let now = self.shared().clock.now();
        let found = self.load(SQL, vec![now.into(), vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::stored_pause);
        self.shared().unreadable.leave_out(each)
    }
}
