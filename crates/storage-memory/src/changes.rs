//! The change log. Units of work commit one at a time, so the numbers of its entries have no gaps.

use std::ops::Bound;

use async_trait::async_trait;
use domain::change_offset::ChangeOffset;
use domain::ports::{ChangeEntry, ChangeQueries, ChangeRepository, ChangesRead, StoreError};
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::tables::{ChangeRow, Tables};
use crate::unit_of_work::MemoryUnitOfWork;

impl MemoryUnitOfWork {
    /// Appends the changes of this unit of work to the log.
    pub(crate) fn write_changes(&mut self) -> Result<(), StoreError> {
        let entries = std::mem::take(&mut self.changed).into_entries();
        for changed in entries {
            let created_at = self.now();
            self.write(|tables| {
                tables.last_change += 1;
                let row = ChangeRow {
                    changed,
                    created_at,
                };
                tables.changes.insert(tables.last_change, row);
                Ok(())
            })?;
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeRepository for MemoryUnitOfWork {
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(|tables| {
            let mut pruned = 0;
            while pruned < u64::from(limit)
                && let Some(oldest) = tables.changes.first_entry()
                && oldest.get().created_at < before
            {
                oldest.remove();
                pruned += 1;
            }
            Ok(pruned)
        })
    }
}

/// Returns the number of the last pruned entry, or 0 if none was pruned.
fn last_pruned(tables: &Tables) -> u64 {
    let oldest = tables.changes.keys().next();
    oldest.map_or(tables.last_change, |number| number - 1)
}

#[async_trait]
impl ChangeQueries for MemoryStore {
    async fn newest_change(&self) -> Result<ChangeOffset, StoreError> {
        Ok(ChangeOffset::new(self.committed().last_change, 0))
    }

    async fn read_changes(
        &self,
        after: ChangeOffset,
        limit: u32,
    ) -> Result<ChangesRead, StoreError> {
        let tables = self.committed();
        if !(last_pruned(&tables)..=tables.last_change).contains(&after.group()) {
            return Ok(ChangesRead::Gone);
        }
        let next = (Bound::Excluded(after.group()), Bound::Unbounded);
        let entries = tables.changes.range(next);
        let entries = entries.take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(ChangesRead::Next {
            entries: entries
                .map(|(number, row)| ChangeEntry {
                    offset: ChangeOffset::new(*number, 0),
                    changed: row.changed.clone(),
                })
                .collect(),
            held_back: false,
        })
    }
}
