//! Orders inside a transaction.

use async_trait::async_trait;
use domain::identifiers::{IdempotencyKey, OrderId};
use domain::order::{Order, OrderState, OrderStatus};
use domain::ports::{Acceptance, NewOrder, OrderRepository, QueuedOrder, StoreError};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use domain::timestamp::Timestamp;

use crate::tables::{AllocationRow, KeyRow, OrderRow, Tables, refused};
use crate::unit_of_work::MemoryUnitOfWork;

impl MemoryUnitOfWork {
    fn accept_one(&mut self, order: &NewOrder) -> Result<Acceptance, StoreError> {
        let existing = order
            .key
            .as_ref()
            .and_then(|key| self.tables().keys.get(key));
        if let Some(existing) = existing {
            if existing.batch != order.batch {
                return Ok(Acceptance::KeyReused);
            }
            let order_id = existing.order_id;
            return self.order(order_id).map(Acceptance::Existing);
        }
        let id = OrderId(self.next_number());
        let now = self.now();
        self.write(|tables| {
            let row = OrderRow {
                product_id: order.request.product_id.clone(),
                quantity: order.request.quantity,
                status: OrderStatus::Pending,
                reason: None,
                created_at: now,
                updated_at: now,
                requeues: 0,
                requeued_at: None,
            };
            tables.orders.insert(id, row);
            if let Some(key) = &order.key {
                let row = KeyRow {
                    order_id: id,
                    batch: order.batch.clone(),
                    created_at: now,
                };
                tables.keys.insert(key.clone(), row);
            }
            Ok(())
        })?;
        self.changed.order_ids.push(id);
        self.order(id).map(Acceptance::Created)
    }

    fn order(&self, id: OrderId) -> Result<Order, StoreError> {
        self.tables()
            .order(id)?
            .ok_or_else(|| refused(format!("order {id} does not exist")))
    }
}

fn save_one_settled(
    tables: &mut Tables,
    order: &SettledOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = tables
        .orders
        .get_mut(&order.id)
        .filter(|row| row.status == OrderStatus::Pending)
        .ok_or_else(|| refused(format!("order {} is not PENDING", order.id)))?;
    row.updated_at = now;
    match &order.outcome {
        Outcome::Rejected(reason) => {
            row.status = OrderStatus::Rejected;
            row.reason = Some(*reason);
        }
        Outcome::Confirmed(allocations) => {
            row.status = OrderStatus::Confirmed;
            for allocation in allocations {
                let stock_row = (order.product_id.clone(), allocation.vendor_id.clone());
                if !tables.vendor_stock.contains_key(&stock_row) {
                    return Err(refused(format!(
                        "vendor {} has no stock row of product {}",
                        allocation.vendor_id, order.product_id
                    )));
                }
                let row = AllocationRow {
                    product_id: order.product_id.clone(),
                    quantity: allocation.quantity,
                    shipped_at: None,
                    known_as_of: None,
                };
                let key = (order.id, allocation.vendor_id.clone());
                if tables.allocations.insert(key, row).is_some() {
                    return Err(refused(format!(
                        "order {} is allocated to vendor {} twice",
                        order.id, allocation.vendor_id
                    )));
                }
            }
        }
    }
    Ok(())
}

fn save_state(
    tables: &mut Tables,
    id: OrderId,
    state: &OrderState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = tables
        .orders
        .get_mut(&id)
        .ok_or_else(|| refused(format!("order {id} does not exist")))?;
    row.status = state.status();
    row.reason = state.reject_reason();
    row.updated_at = now;
    match state {
        OrderState::Cancelled => tables.allocations.retain(|(of, _), _| *of != id),
        OrderState::Confirmed(allocations) | OrderState::Shipped(allocations) => {
            for shipped in allocations.iter().filter(|allocation| allocation.shipped) {
                let key = (id, shipped.vendor_id.clone());
                if let Some(allocation) = tables.allocations.get_mut(&key) {
                    allocation.shipped_at.get_or_insert(now);
                }
            }
        }
        OrderState::Pending | OrderState::Rejected(_) | OrderState::Delivered(_) => {}
    }
    Ok(())
}

#[async_trait]
impl OrderRepository for MemoryUnitOfWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        let accepted = orders
            .iter()
            .map(|order| self.accept_one(order))
            .collect::<Result<Vec<_>, _>>()?;
        let queued = orders.iter().zip(&accepted).filter_map(|(requested, it)| {
            let order = it.created()?;
            Some(QueuedOrder {
                order_id: order.id,
                product_id: order.product_id.clone(),
                trace: requested.trace,
            })
        });
        self.add_to_outbox(queued.collect(), None)?;
        Ok(accepted)
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let pending = ids.into_iter().filter_map(|id| {
            let row = self.tables().orders.get(&id)?;
            (row.status == OrderStatus::Pending).then(|| PendingOrder {
                id,
                request: domain::order::OrderRequest {
                    product_id: row.product_id.clone(),
                    quantity: row.quantity,
                },
            })
        });
        Ok(pending.collect())
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        // Units of work run one at a time, so no other transaction can hold a lock.
        self.lock_pending(ids).await
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
        let now = self.now();
        let ids = orders.iter().map(|order| order.id);
        self.changed.order_ids.extend(ids);
        self.write(|tables| {
            orders
                .iter()
                .try_for_each(|order| save_one_settled(tables, order, now))
        })
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.tables().order(id)
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        let now = self.now();
        self.changed.order_ids.push(id);
        self.write(|tables| save_state(tables, id, state, now))?;
        self.order(id)
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut old: Vec<(Timestamp, IdempotencyKey)> = self
            .tables()
            .keys
            .iter()
            .filter(|(_, row)| row.created_at < before)
            .map(|(key, row)| (row.created_at, key.clone()))
            .collect();
        old.sort_unstable();
        old.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self.write(|tables| {
            for (_, key) in &old {
                tables.keys.remove(key);
            }
            Ok(())
        })?;
        Ok(old.len() as u64)
    }
}
