//! The outbox inside a transaction.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use domain::ports::{
    OrderRepository as _, OutboxEntry, OutboxId, OutboxRepository, QueuedOrder, RequeueLimits,
    StoreError,
};
use domain::timestamp::Timestamp;

use crate::tables::{OrderRow, OutboxRow, refused};
use crate::unit_of_work::MemoryUnitOfWork;

/// Number of requeues after which the delay is no longer doubled.
const MAX_DOUBLINGS: u32 = 12;

fn is_overdue(row: &OrderRow, pending_for: Duration, now: Timestamp) -> bool {
    let delay = pending_for.saturating_mul(1 << row.requeues.min(MAX_DOUBLINGS));
    let since = row.requeued_at.unwrap_or(row.created_at);
    row.status == OrderStatus::Pending && (pending_for.is_zero() || since < now.minus(delay))
}

impl MemoryUnitOfWork {
    /// Inserts one entry with all of the orders; none if there are no orders.
    pub(crate) fn add_to_outbox(
        &mut self,
        orders: Vec<QueuedOrder>,
        not_before: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if orders.is_empty() {
            return Ok(());
        }
        let id = OutboxId(self.next_number());
        let row = OutboxRow {
            orders,
            created_at: self.now(),
            claimed_until: None,
            not_before,
        };
        self.write(|tables| {
            tables.outbox.insert(id, row);
            Ok(())
        })
    }
}

#[async_trait]
impl OutboxRepository for MemoryUnitOfWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        let now = self.now();
        self.write(|tables| {
            let unclaimed = tables
                .outbox
                .iter_mut()
                .filter(|(_, row)| {
                    let claimed = row.claimed_until;
                    claimed.is_none_or(|until| until < now || until > now.plus(lease))
                })
                .filter(|(_, row)| row.not_before.is_none_or(|instant| instant <= now))
                .take(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(unclaimed
                .map(|(&id, row)| {
                    row.claimed_until = Some(now.plus(lease));
                    OutboxEntry {
                        id,
                        orders: row.orders.clone(),
                    }
                })
                .collect())
        })
    }

    async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        self.write(|tables| {
            for id in ids {
                tables.outbox.remove(id);
            }
            Ok(())
        })
    }

    async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        self.write(|tables| {
            for id in ids {
                if let Some(row) = tables.outbox.get_mut(id) {
                    row.claimed_until = None;
                }
            }
            Ok(())
        })
    }

    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError> {
        let not_before = self.now().plus(delay);
        let pending = self.lock_pending(ids).await?;
        let ids = pending.iter().map(|order| order.id).collect();
        let orders = pending
            .into_iter()
            .map(|order| QueuedOrder::new(order.id, order.request.product_id));
        self.add_to_outbox(orders.collect(), Some(not_before))?;
        Ok(ids)
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        let now = self.now();
        let queued: HashSet<OrderId> = self
            .tables()
            .outbox
            .values()
            .flat_map(|row| row.orders.iter().map(|order| order.order_id))
            .collect();
        let overdue: Vec<QueuedOrder> = self
            .tables()
            .orders
            .iter()
            .filter(|(id, row)| !queued.contains(id) && is_overdue(row, limits.pending_for, now))
            .take(usize::try_from(limits.limit).unwrap_or(usize::MAX))
            .map(|(&order_id, row)| QueuedOrder::new(order_id, row.product_id.clone()))
            .collect();
        self.write(|tables| {
            for QueuedOrder { order_id, .. } in &overdue {
                let row = tables
                    .orders
                    .get_mut(order_id)
                    .ok_or_else(|| refused(format!("order {order_id} does not exist")))?;
                row.requeues = row.requeues.saturating_add(1);
                row.requeued_at = Some(now);
            }
            Ok(())
        })?;
        let requeued = overdue.len() as u64;
        self.add_to_outbox(overdue, None)?;
        Ok(requeued)
    }
}
