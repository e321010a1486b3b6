//! Orders inside a transaction.

use async_trait::async_trait;
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::order::{Order, OrderState, OrderStatus, RejectReason};
use domain::ports::{Acceptance, NewOrder, OrderRepository, StoreError};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use domain::timestamp::Timestamp;
use storage_sql::OrderRow;

use crate::error::{expect_one, refused};
use crate::outbox;
use crate::statement::{execute, load};
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
    const SQL: &str = concat!(
        "SELECT k.batch_digest, ",
        storage_sql::order_columns!(),
        "
FROM idempotency_keys k JOIN orders o ON o.id = k.order_id LEFT JOIN allocations a ON a.order_id = o.id
WHERE k.scope = $1 AND k.key = $2 ORDER BY a.vendor_id"
    );
    let found: Vec<KeyRow> = load(connection, SQL, vec![key.scope().into(), key.key().into()])?;
    let digest = found.first().and_then(|row| row.batch_digest.clone());
    let joined = found.into_iter().map(|row| row.order).collect();
    storage_sql::orders(joined)?
        .pop()
        .map(|order| {
            let digest = storage_sql::batch_digest(digest, order.id.0)?;
            Ok((order, digest))
        })
        .transpose()
}

fn find(connection: &mut SqliteConnection, id: OrderId) -> Result<Option<Order>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        storage_sql::order_columns!(),
        "
FROM orders o LEFT JOIN allocations a ON a.order_id = o.id WHERE o.id = $1 ORDER BY a.vendor_id"
    );
    Ok(storage_sql::orders(load(connection, SQL, vec![id.into()])?)?.pop())
}

fn accept_one(
    connection: &mut SqliteConnection,
    order: &NewOrder,
    next_id: impl FnOnce() -> OrderId,
    now: Timestamp,
) -> Result<Acceptance, StoreError> {
    const ORDER: &str = "
INSERT INTO orders (id, product_id, quantity, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)";
    const KEY: &str = "
INSERT INTO idempotency_keys (scope, key, order_id, created_at, batch_digest) VALUES ($1, $2, $3, $4, $5)";

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
    let binds = vec![
        id.into(),
        (&request.product_id).into(),
        request.quantity.units().into(),
        now.into(),
    ];
    execute(connection, ORDER, binds)?;
    if let Some(key) = &order.key {
        let binds = vec![
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
UPDATE orders SET status = $1, reason = $2, updated_at = $3 WHERE id = $4 AND status = 'PENDING'";
    const ALLOCATION: &str = "INSERT INTO allocations (order_id, vendor_id, product_id, quantity) VALUES ($1, $2, $3, $4)";

    let (status, reason, allocations) = match &order.outcome {
        Outcome::Rejected(reason) => {
            let none: &[_] = &[];
            (OrderStatus::Rejected, Some(reason.as_str()), none)
        }
        Outcome::Confirmed(allocations) => (OrderStatus::Confirmed, None, allocations.as_slice()),
    };
    let binds = vec![
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
        let binds = vec![
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
    const ORDER: &str = "UPDATE orders SET status = $1, reason = $2, updated_at = $3 WHERE id = $4";
    const RELEASED: &str = "DELETE FROM allocations WHERE order_id = $1";
    const SHIPPED: &str = "
UPDATE allocations SET shipped_at = $1 WHERE order_id = $2 AND vendor_id = $3 AND shipped_at IS NULL";

    match state {
        OrderState::Cancelled => {
            execute(connection, RELEASED, vec![id.into()])?;
        }
        OrderState::Confirmed(allocations) | OrderState::Shipped(allocations) => {
            for allocation in allocations.iter().filter(|allocation| allocation.shipped) {
                let binds = vec![now.into(), id.into(), (&allocation.vendor_id).into()];
                execute(connection, SHIPPED, binds)?;
            }
        }
        OrderState::Pending | OrderState::Rejected(_) | OrderState::Delivered(_) => {}
    }
    let reason = state.reject_reason().map(RejectReason::as_str);
    let binds = vec![
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
            let boxed = orders.iter().zip(&accepted).filter_map(|(requested, it)| {
                let order = it.created()?;
                Some(outbox::Queued {
                    id: order.id.0,
                    product_id: order.product_id.as_str(),
                    trace: requested.trace,
                })
            });
            outbox::put(connection, &boxed.collect::<Vec<_>>(), now(), None)?;
            Ok(accepted)
        });
        let accepted = accepted.await?;
        let created = accepted.iter().filter_map(Acceptance::created);
        self.changed.order_ids.extend(created.map(|order| order.id));
        Ok(accepted)
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        // The plus keeps the planner from an index by status, which would be read in addition to each row.
        const SQL: &str = "
SELECT id, product_id, quantity FROM orders
WHERE id IN (SELECT value FROM json_each($1)) AND +status = 'PENDING' ORDER BY id";
        storage_sql::pending_orders(self.load(SQL, vec![ids.into()]).await?)
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
    SELECT scope, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2
)";
        self.execute(SQL, vec![before.into(), limit.into()]).await
    }
}
