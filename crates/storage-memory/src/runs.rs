//! The runs of vendors' syncs.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{Run, RunId, RunQueries, RunRepository, StoreError};
use domain::run::with_note;
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::unit_of_work::MemoryUnitOfWork;

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[async_trait]
impl RunQueries for MemoryStore {
    async fn list_runs(
        &self,
        vendor_id: &VendorId,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>, StoreError> {
        let tables = self.committed();
        let vendor = tables.vendors.get(vendor_id);
        let newest_first = vendor.into_iter().flat_map(|row| row.runs.iter().rev());
        let page = newest_first.filter(|run| before.is_none_or(|before| run.id < before));
        Ok(page.take(at_most(limit)).cloned().collect())
    }
}

#[async_trait]
impl RunRepository for MemoryUnitOfWork {
    async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError> {
        self.write(|tables| {
            let mut left = at_most(limit);
            for row in tables.vendors.values_mut() {
                let excess = row.runs.len().saturating_sub(at_most(keep)).min(left);
                row.runs.drain(..excess);
                left -= excess;
            }
            Ok((at_most(limit) - left) as u64)
        })
    }

    async fn add_note(
        &mut self,
        vendor_id: &VendorId,
        finished_at: Timestamp,
        note: &str,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            let row = tables.vendors.get_mut(vendor_id);
            let Some(row) = row else { return Ok(()) };
            let run = row
                .runs
                .last_mut()
                .filter(|run| run.finished_at == finished_at);
            let sync = row
                .last_sync
                .as_mut()
                .filter(|sync| sync.finished_at == finished_at);
            if let (Some(run), Some(sync)) = (run, sync) {
                for error in [&mut run.error, &mut sync.error] {
                    *error = Some(with_note(error.take(), note));
                }
            }
            Ok(())
        })
    }
}
