//! The runs of vendors' syncs.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{Run, RunId, RunQueries, RunRepository, StoreError};
use domain::timestamp::Timestamp;
use storage_sql::{ADD_NOTE_TO_RUN, ADD_NOTE_TO_SYNC, RUNS, each_run, note_binds, readable_page};

use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

/// Removes the oldest runs beyond the newest `$1` of each vendor, at most `$2`.
pub(crate) const PRUNE: &str = "
DELETE FROM vendor_runs WHERE id IN (
    SELECT r.id FROM vendor_syncs v CROSS JOIN vendor_runs r
    WHERE r.vendor_id = v.vendor_id AND r.id <= (
        SELECT n.id FROM vendor_runs n WHERE n.vendor_id = v.vendor_id ORDER BY n.id DESC LIMIT 1 OFFSET $1
    )
    ORDER BY v.vendor_id, r.id LIMIT $2
)";

#[async_trait]
impl RunQueries for SqliteStore {
    async fn list_runs(
        &self,
        vendor_id: &VendorId,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        let unreadable = &self.shared().unreadable;
        readable_page(unreadable, before, limit, |before, left| async move {
            let binds = vec![vendor_id.into(), before.into(), left.into()];
            Ok(each_run(self.load(RUNS, binds).await?).collect())
        })
        .await
    }
}

#[async_trait]
impl RunRepository for SqliteUnitOfWork {
    async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError> {
        self.execute(PRUNE, vec![keep.into(), limit.into()]).await
    }

    async fn add_note(
        &mut self,
        vendor_id: &VendorId,
        finished_at: Timestamp,
        note: &str,
    ) -> Result<(), StoreError> {
        let binds = || note_binds(vendor_id, finished_at, note);
        if self.execute(ADD_NOTE_TO_RUN, binds()).await? > 0 {
            self.execute(ADD_NOTE_TO_SYNC, binds()).await?;
        }
        Ok(())
    }
}
