//! The outbox inside a transaction.

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::OrderId;
use domain::ports::{OutboxEntry, OutboxId, OutboxRepository, RequeueLimits, StoreError};
use domain::timestamp::Timestamp;
use domain::trace::SpanContext;
use serde_json::Value;
use storage_sql::{Bind, QueuedRow, UnreadableRows};

use crate::statement::{execute, load};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct OutboxRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    /// JSON arrays.
    #[diesel(sql_type = Text)]
    order_ids: String,
    #[diesel(sql_type = Text)]
    product_ids: String,
    #[diesel(sql_type = Nullable<Text>)]
    traceparents: Option<String>,
}

/// Returns the values of a JSON array; empty if the text is not one.
fn values<T>(json: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
    let values: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
    values.iter().map(read).collect()
}

impl TryFrom<&OutboxRow> for OutboxEntry {
    type Error = StoreError;

    fn try_from(row: &OutboxRow) -> Result<Self, StoreError> {
        let order_ids = values(&row.order_ids, Value::as_i64);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let product_ids = values(&row.product_ids, text);
        let traceparents = row.traceparents.as_deref();
        let traceparents = traceparents.map_or_else(Vec::new, |json| values(json, text));
        Ok(Self {
            id: OutboxId(row.id),
            orders: storage_sql::queued_orders(row.id, order_ids, product_ids, traceparents)?,
        })
    }
}

/// Moves an unreadable entry out of the outbox, and requeues its `PENDING` orders.
fn move_unreadable(
    connection: &mut SqliteConnection,
    entry: &OutboxRow,
    unreadable: &UnreadableRows,
    now: Timestamp,
) -> Result<(), StoreError> {
    const KEEP: &str = "
INSERT OR IGNORE INTO outbox_unreadable (id, order_ids, product_ids, created_at, moved_at)
SELECT id, order_ids, product_ids, created_at, $1 FROM outbox WHERE id = $2";
    const REMOVE: &str = "DELETE FROM outbox WHERE id = $1";
    execute(connection, KEEP, vec![now.into(), entry.id.into()])?;
    execute(connection, REMOVE, vec![entry.id.into()])?;
    let order_ids = values(&entry.order_ids, Value::as_i64);
    let pending = pending(connection, Bind::big_ints(order_ids.into_iter().flatten()))?;
    let each = pending.into_iter().map(storage_sql::requeued);
    let orders = unreadable.leave_out(each)?;
    let orders = orders.iter().map(|order| Queued {
        id: order.order_id.0,
        product_id: order.product_id.as_str(),
        trace: None,
    });
    put(connection, &orders.collect::<Vec<_>>(), now, None)
}

/// Returns those of the orders that are `PENDING`, by id.
fn pending(connection: &mut SqliteConnection, ids: Bind) -> Result<Vec<QueuedRow>, StoreError> {
    const SQL: &str = "
SELECT id, product_id FROM orders
WHERE id IN (SELECT value FROM json_each($1)) AND status = 'PENDING' ORDER BY id";
    load(connection, SQL, vec![ids])
}

/// An order to put into the outbox.
pub(crate) struct Queued<'a> {
    pub(crate) id: i64,
    pub(crate) product_id: &'a str,
    pub(crate) trace: Option<SpanContext>,
}

/// Inserts one outbox entry with all orders; none if there are no orders.
pub(crate) fn put(
    connection: &mut SqliteConnection,
    orders: &[Queued<'_>],
    now: Timestamp,
    not_before: Option<Timestamp>,
) -> Result<(), StoreError> {
    const SQL: &str = "
INSERT INTO outbox (order_ids, product_ids, created_at, not_before, traceparents) VALUES ($1, $2, $3, $4, $5)";
    if orders.is_empty() {
        return Ok(());
    }
    let traces = orders.iter().map(|order| order.trace);
    let traces: Vec<_> = traces.map(|it| it.map(|it| it.to_string())).collect();
    let is_traced = traces.iter().any(Option::is_some);
    let traces = is_traced.then(|| Bind::texts(traces.iter().map(Option::as_deref)));
    let binds = vec![
        Bind::big_ints(orders.iter().map(|order| order.id)),
        Bind::texts(orders.iter().map(|order| order.product_id)),
        now.into(),
        not_before.into(),
        traces.unwrap_or_else(|| None::<&str>.into()),
    ];
    execute(connection, SQL, binds).map(drop)
}

/// Like [`put`], from rows, whose product ids may be unreadable.
pub(crate) fn put_rows(
    connection: &mut SqliteConnection,
    orders: &[QueuedRow],
    now: Timestamp,
    not_before: Option<Timestamp>,
) -> Result<(), StoreError> {
    let orders = orders.iter().map(|row| Queued {
        id: row.id,
        product_id: row.product_id.as_str(),
        trace: None,
    });
    put(connection, &orders.collect::<Vec<_>>(), now, not_before)
}

fn ids(entries: &[OutboxId]) -> Vec<Bind> {
    vec![Bind::big_ints(entries.iter().map(|id| id.0))]
}

#[async_trait]
impl OutboxRepository for SqliteUnitOfWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        const SQL: &str = "
UPDATE outbox SET claimed_until = $1 WHERE id IN (
    SELECT id FROM outbox
    WHERE (claimed_until IS NULL OR claimed_until < $2 OR claimed_until > $1) AND (not_before IS NULL OR not_before <= $2)
    ORDER BY id LIMIT $3
) RETURNING id, order_ids, product_ids, traceparents";
        let unreadable = self.unreadable();
        self.call(move |connection, now| {
            let now = now();
            let binds = vec![now.plus(lease).into(), now.into(), limit.into()];
            let mut claimed: Vec<OutboxRow> = load(connection, SQL, binds)?;
            claimed.sort_unstable_by_key(|row| row.id);
            let mut entries = Vec::with_capacity(claimed.len());
            for row in &claimed {
                match unreadable.readable(row.try_into())? {
                    Some(entry) => entries.push(entry),
                    None => move_unreadable(connection, row, &unreadable, now)?,
                }
            }
            Ok(entries)
        })
        .await
    }

    async fn remove(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each($1))";
        self.execute(SQL, ids(entries)).await.map(drop)
    }

    async fn release(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE outbox SET claimed_until = NULL WHERE id IN (SELECT value FROM json_each($1))";
        self.execute(SQL, ids(entries)).await.map(drop)
    }

    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError> {
        let ids = Bind::from(ids);
        self.call(move |connection, now| {
            let now = now();
            let pending = pending(connection, ids)?;
            put_rows(connection, &pending, now, Some(now.plus(delay)))?;
            Ok(pending.iter().map(|row| OrderId(row.id)).collect())
        })
        .await
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        const OVERDUE: &str = "
SELECT id, product_id FROM orders
WHERE status = 'PENDING'
  AND ($1 = 0 OR coalesce(requeued_at, created_at) < $2 - $1 * (1 << min(requeues, 12)))
  AND id NOT IN (SELECT i.value FROM outbox, json_each(outbox.order_ids) i WHERE i.value IS NOT NULL)
ORDER BY id LIMIT $3";
        const MARK: &str =
            "UPDATE orders SET requeued_at = $1, requeues = min(requeues + 1, 30000) WHERE id = $2";

        self.call(move |connection, now| {
            let now = now();
            let binds = vec![limits.pending_for.into(), now.into(), limits.limit.into()];
            let overdue: Vec<QueuedRow> = load(connection, OVERDUE, binds)?;
            for row in &overdue {
                execute(connection, MARK, vec![now.into(), row.id.into()])?;
            }
            put_rows(connection, &overdue, now, None)?;
            Ok(overdue.len() as u64)
        })
        .await
    }
}
