//! Orders inside a transaction.

use async_trait::async_trait;
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::order::{Order, OrderState, OrderStatus};
use domain::ports::{Acceptance, NewOrder, OrderRepository, StoreError};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use domain::timestamp::Timestamp;

use crate::error::{expect_one, refused};
use crate::outbox;
use crate::rows::{self, OrderRow, RequestRow};
use crate::statement::{execute, json, load};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Nullable<Text>)]
    batch_digest: Option<String>,
    #[diesel(embed)]
    order: OrderRow,
}

/// Returns the order of a key, and the digest of the batch if the key belongs to a batch.
fn find_by_key(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
) -> Result<Option<(Order, Option<BatchDigest>)>, StoreError> {
    const SQL: &str = "
SELECT k.batch_digest, o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped
FROM idempotency_keys k JOIN orders o ON o.id = k.order_id LEFT JOIN allocations a ON a.order_id = o.id
WHERE k.scope = ? AND k.key = ? ORDER BY a.vendor_id";
    let found: Vec<KeyRow> = load(connection, SQL, [key.scope().into(), key.key().into()])?;
    let digest = found.first().and_then(|row| row.batch_digest.clone());
    let joined = found.into_iter().map(|row| row.order).collect();
    rows::orders(joined)?
        .pop()
        .map(|order| {
            let digest = storage_sql::batch_digest(digest, order.id.0)?;
            Ok((order, digest))
        })
        .transpose()
}

fn find(connection: &mut SqliteConnection, id: OrderId) -> Result<Option<Order>, StoreError> {
    const SQL: &str = "
SELECT o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped
FROM orders o LEFT JOIN allocations a ON a.order_id = o.id WHERE o.id = ? ORDER BY a.vendor_id";
    Ok(rows::orders(load(connection, SQL, [id.into()])?)?.pop())
}

fn accept_one(
    connection: &mut SqliteConnection,
    order: &NewOrder,
    next_id: impl FnOnce() -> OrderId,
    now: Timestamp,
) -> Result<Acceptance, StoreError> {
    const ORDER: &str = "
INSERT INTO orders (id, product_id, quantity, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
    const KEY: &str = "
INSERT INTO idempotency_keys (scope, key, order_id, created_at, batch_digest) VALUES (?, ?, ?, ?, ?)";

    if let Some(key) = &order.key
        && let Some((existing, digest)) = find_by_key(connection, key)?
    {
        return Ok(if digest == order.batch {
            Acceptance::Existing(existing)
        } else {
            Acceptance::KeyReused
        });
    }
    let request = &order.request;
    let id = next_id();
    let binds = [
        id.into(),
        (&request.product_id).into(),
        request.quantity.units().into(),
        now.into(),
        now.into(),
    ];
    execute(connection, ORDER, binds)?;
    if let Some(key) = &order.key {
        let binds = [
            key.scope().into(),
            key.key().into(),
            id.into(),
            now.into(),
            order.batch.as_ref().map(BatchDigest::as_str).into(),
        ];
        execute(connection, KEY, binds)?;
    }
    Ok(Acceptance::Created(Order {
        id,
        product_id: request.product_id.clone(),
        quantity: request.quantity,
        state: OrderState::Pending,
        created_at: now,
        updated_at: now,
    }))
}

fn save_one_settled(
    connection: &mut SqliteConnection,
    order: &SettledOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    const STATUS: &str = "
UPDATE orders SET status = ?, reason = ?, updated_at = ? WHERE id = ? AND status = 'PENDING'";
    const ALLOCATION: &str =
        "INSERT INTO allocations (order_id, vendor_id, product_id, quantity) VALUES (?, ?, ?, ?)";

    let (status, reason, allocations) = match &order.outcome {
        Outcome::Rejected(reason) => {
            let none: &[_] = &[];
            (OrderStatus::Rejected, Some(reason.as_str()), none)
        }
        Outcome::Confirmed(allocations) => (OrderStatus::Confirmed, None, allocations.as_slice()),
    };
    let binds = [
        status.as_str().into(),
        reason.into(),
        now.into(),
        order.id.into(),
    ];
    expect_one(
        "settling order",
        order.id,
        execute(connection, STATUS, binds)?,
    )?;
    for allocation in allocations {
        let binds = [
            order.id.into(),
            (&allocation.vendor_id).into(),
            (&order.product_id).into(),
            allocation.quantity.units().into(),
        ];
        execute(connection, ALLOCATION, binds)?;
    }
    Ok(())
}

fn save_state(
    connection: &mut SqliteConnection,
    id: OrderId,
    state: &OrderState,
    now: Timestamp,
) -> Result<Order, StoreError> {
    const ORDER: &str = "UPDATE orders SET status = ?, reason = ?, updated_at = ? WHERE id = ?";
    const RELEASED: &str = "DELETE FROM allocations WHERE order_id = ?";
    const SHIPPED: &str = "
UPDATE allocations SET shipped_at = ? WHERE order_id = ? AND vendor_id = ? AND shipped_at IS NULL";

    match state {
        OrderState::Cancelled => {
            execute(connection, RELEASED, [id.into()])?;
        }
        OrderState::Confirmed(allocations) | OrderState::Shipped(allocations) => {
            for allocation in allocations.iter().filter(|allocation| allocation.shipped) {
                let binds = [now.into(), id.into(), (&allocation.vendor_id).into()];
                execute(connection, SHIPPED, binds)?;
            }
        }
        OrderState::Pending | OrderState::Rejected(_) | OrderState::Delivered(_) => {}
    }
    let reason = state
        .reject_reason()
        .map(domain::order::RejectReason::as_str);
    let binds = [
        state.status().as_str().into(),
        reason.into(),
        now.into(),
        id.into(),
    ];
    expect_one("changing order", id, execute(connection, ORDER, binds)?)?;
    let order = find(connection, id)?.ok_or_else(|| refused(format!("order {id} was deleted")))?;
    storage_sql::expect_state(order, state)
}

#[async_trait]
impl OrderRepository for SqliteUnitOfWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        let orders = orders.to_vec();
        let numbers = self.order_numbers();
        let accepted = self.call(move |connection, now| {
            let accepted = orders
                .iter()
                .map(|order| accept_one(connection, order, || numbers.next(), now()))
                .collect::<Result<Vec<_>, _>>()?;
            let created = accepted.iter().filter_map(Acceptance::created);
            let boxed = created.map(|order| (order.id.0, order.product_id.as_str()));
            outbox::put(connection, &boxed.collect::<Vec<_>>(), now(), None)?;
            Ok(accepted)
        });
        let accepted = accepted.await?;
        let created = accepted.iter().filter_map(Acceptance::created);
        self.changed.order_ids.extend(created.map(|order| order.id));
        Ok(accepted)
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        const SQL: &str = "
SELECT id, product_id, quantity FROM orders
WHERE id IN (SELECT value FROM json_each(?)) AND status = 'PENDING' ORDER BY id";
        let ids = json(ids.iter().map(|id| id.0));
        self.call(move |connection, _| {
            let found: Vec<RequestRow> = load(connection, SQL, [ids])?;
            found
                .into_iter()
                .map(|row| storage_sql::pending(row.id, row.product_id, row.quantity))
                .collect()
        })
        .await
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        // Units of work run one at a time, so no other transaction can hold a lock.
        self.lock_pending(ids).await
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
        let orders = orders.to_vec();
        let ids = orders.iter().map(|order| order.id);
        self.changed.order_ids.extend(ids);
        self.call(move |connection, now| {
            let now = now();
            orders
                .iter()
                .try_for_each(|order| save_one_settled(connection, order, now))
        })
        .await
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.call(move |connection, _| find(connection, id)).await
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        let state = state.clone();
        self.changed.order_ids.push(id);
        self.call(move |connection, now| save_state(connection, id, &state, now()))
            .await
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
DELETE FROM idempotency_keys WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?
)";
        self.call(move |connection, _| {
            let pruned = execute(connection, SQL, [before.into(), limit.into()])?;
            Ok(pruned as u64)
        })
        .await
    }
}
