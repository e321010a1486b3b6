//! Dead letters: orders that settlement gave up.

use std::ops::Bound;

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use domain::ports::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, QueuedOrder, StoreError,
    dead_letter_reason,
};

use crate::store::MemoryStore;
use crate::tables::{DeadLetterRow, Tables};
use crate::unit_of_work::MemoryUnitOfWork;

impl Tables {
    fn is_pending(&self, id: OrderId) -> bool {
        let order = self.orders.get(&id);
        order.is_some_and(|row| row.status == OrderStatus::Pending)
    }

    /// Returns the dead letters of orders that are still `PENDING`.
    pub(crate) fn open_dead_letters(
        &self,
        after: Option<OrderId>,
    ) -> impl Iterator<Item = (&OrderId, &DeadLetterRow)> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.dead_letters
            .range((above, Bound::Unbounded))
            .filter(|(id, _)| self.is_pending(**id))
    }
}

#[async_trait]
impl DeadLetterRepository for MemoryUnitOfWork {
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        self.write(|tables| {
            if !tables.is_pending(order_id) {
                return Ok(false);
            }
            let reason = dead_letter_reason(reason);
            if let Some(row) = tables.dead_letters.get_mut(&order_id) {
                row.reason = reason;
                row.attempts = row.attempts.saturating_add(1);
                row.updated_at = now;
                return Ok(false);
            }
            let row = DeadLetterRow {
                reason,
                attempts: 1,
                created_at: now,
                updated_at: now,
            };
            tables.dead_letters.insert(order_id, row);
            Ok(true)
        })
    }

    async fn replay_orders(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        let now = self.now();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let replayed = self.write(|tables| {
            let queued: Vec<OrderId> = tables
                .outbox
                .values()
                .flat_map(|row| row.orders.iter().map(|order| order.order_id))
                .collect();
            let mut replayed = Vec::new();
            for id in ids {
                tables.dead_letters.remove(&id);
                if !tables.is_pending(id) || queued.contains(&id) {
                    continue;
                }
                if let Some(row) = tables.orders.get_mut(&id) {
                    row.requeues = 0;
                    row.requeued_at = Some(now);
                    replayed.push(QueuedOrder::new(id, row.product_id.clone()));
                }
            }
            Ok(replayed)
        })?;
        let count = replayed.len() as u64;
        self.add_to_outbox(replayed, None)?;
        Ok(count)
    }

    async fn discard_dead_letters(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        self.write(|tables| {
            let removed = ids.iter().filter_map(|id| tables.dead_letters.remove(id));
            Ok(removed.count() as u64)
        })
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        self.write(|tables| {
            let settled = tables.dead_letters.keys().copied();
            let settled = settled.filter(|id| !tables.is_pending(*id));
            let settled: Vec<OrderId> = settled.take(limit as usize).collect();
            for id in &settled {
                tables.dead_letters.remove(id);
            }
            Ok(settled.len() as u64)
        })
    }
}

#[async_trait]
impl DeadLetterQueries for MemoryStore {
    async fn list_dead_letters(
        &self,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let tables = self.committed();
        let listed = tables.open_dead_letters(after).take(limit as usize);
        Ok(listed
            .map(|(id, row)| DeadLetter {
                order_id: *id,
                reason: row.reason.clone(),
                attempts: row.attempts,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
            .collect())
    }
}
