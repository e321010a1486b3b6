//! The runs of vendors' syncs.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{Run, RunId, RunQueries, RunRepository, StoreError};
use domain::timestamp::Timestamp;
use storage_sql::{ADD_NOTE_TO_RUN, ADD_NOTE_TO_SYNC, RUNS, each_run, note_binds, readable_page};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl RunQueries for PgStore {
    async fn list_runs(
        &self,
        vendor_id: &VendorId,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        readable_page(
            self.unreadable(),
            before,
            limit,
            |before, left| async move {
                let binds = vec![vendor_id.into(), before.into(), left.into()];
                Ok(each_run(self.load(RUNS, binds).await?).collect())
            },
        )
        .await
    }
}

#[async_trait]
impl RunRepository for PgUnitOfWork {
    async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError> {
        const PRUNE: &str = "
WITH old AS (
    SELECT r.id FROM vendor_syncs v
    CROSS JOIN LATERAL (
        SELECT id FROM vendor_runs WHERE vendor_id = v.vendor_id ORDER BY id DESC OFFSET $1 LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT id FROM vendor_runs WHERE vendor_id = v.vendor_id AND id <= newest.id ORDER BY id LIMIT $2
    ) AS r
    LIMIT $2
), locked AS (
    SELECT id FROM vendor_runs WHERE id IN (SELECT id FROM old) ORDER BY id FOR UPDATE SKIP LOCKED
)
DELETE FROM vendor_runs WHERE id IN (SELECT id FROM locked)";
        let pruned = self.execute(PRUNE, vec![keep.into(), limit.into()]).await?;
        Ok(pruned as u64)
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
