//! The outbox inside a transaction.
//!
//! Claims and removals need not survive a crash, after which entries are published again and settlement ignores the
//! duplicates: their commits do not wait for the disk.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use domain::identifiers::OrderId;
use domain::ports::{OutboxEntry, OutboxId, OutboxRepository, RequeueLimits, StoreError, Topic};

use storage_sql::{Bind, NumberRow, QueuedRow};

use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct OutboxRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Array<Nullable<BigInt>>)]
    order_ids: Vec<Option<i64>>,
    #[diesel(sql_type = Array<Nullable<Text>>)]
    product_ids: Vec<Option<String>>,
    #[diesel(sql_type = Nullable<Array<Nullable<Text>>>)]
    traceparents: Option<Vec<Option<String>>>,
}

impl PgUnitOfWork {
    /// Moves unreadable entries out of the outbox, and requeues their `PENDING` orders.
    async fn move_unreadable(&mut self, entries: Vec<i64>) -> Result<(), StoreError> {
        const MOVE: &str = "
WITH moved AS (
    DELETE FROM outbox WHERE id = ANY($1) RETURNING id, order_ids, product_ids, created_at
), kept AS (
    INSERT INTO outbox_unreadable (id, order_ids, product_ids, created_at)
    SELECT id, order_ids, product_ids, created_at FROM moved
    ON CONFLICT (id) DO NOTHING
)
SELECT id, product_id FROM orders
WHERE id = ANY(ARRAY(SELECT unnest(order_ids) FROM moved)) AND (status = 'PENDING') IS TRUE ORDER BY id";
        const PUT: &str = "INSERT INTO outbox (order_ids, product_ids) VALUES ($1, $2)";
        // The claim was not full, so the relay continues only after a notification.
        self.topics.add(Topic::Outbox);
        let pending: Vec<QueuedRow> = self.load(MOVE, vec![Bind::big_ints(entries)]).await?;
        let each = pending.into_iter().map(storage_sql::requeued);
        let orders = self.unreadable().leave_out(each)?;
        if orders.is_empty() {
            return Ok(());
        }
        let ids = orders.iter().map(|order| order.order_id.0);
        let products = orders.iter().map(|order| order.product_id.as_str());
        let binds = vec![Bind::big_ints(ids), Bind::texts(products)];
        self.execute(PUT, binds).await.map(drop)
    }
}

fn ids(entries: &[OutboxId]) -> Vec<Bind> {
    vec![Bind::big_ints(entries.iter().map(|id| id.0))]
}

#[async_trait]
impl OutboxRepository for PgUnitOfWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        const SQL: &str = "
WITH free AS (
    SELECT id FROM outbox
    WHERE (claimed_until IS NULL OR claimed_until < clock_timestamp()
           OR claimed_until > clock_timestamp() + $1 * interval '1 microsecond')
      AND (not_before IS NULL OR not_before <= clock_timestamp())
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE outbox SET claimed_until = clock_timestamp() + $1 * interval '1 microsecond'
    WHERE outbox.id = ANY (ARRAY(SELECT id FROM free))
    RETURNING outbox.id, outbox.order_ids, outbox.product_ids, outbox.traceparents
)
SELECT id, order_ids, product_ids, traceparents
FROM claimed CROSS JOIN (SELECT set_config('synchronous_commit', 'off', true)) AS relaxed ORDER BY id";
        let claimed: Vec<OutboxRow> = self.load(SQL, vec![lease.into(), limit.into()]).await?;
        let mut entries = Vec::with_capacity(claimed.len());
        let mut unreadable = Vec::new();
        for row in claimed {
            let traceparents = row.traceparents.unwrap_or_default();
            let orders =
                storage_sql::queued_orders(row.id, row.order_ids, row.product_ids, traceparents);
            match self.unreadable().readable(orders)? {
                Some(orders) => entries.push(OutboxEntry {
                    id: OutboxId(row.id),
                    orders,
                }),
                None => unreadable.push(row.id),
            }
        }
        if !unreadable.is_empty() {
            self.move_unreadable(unreadable).await?;
        }
        Ok(entries)
    }

    // An entry locked by another transaction must not block the others: it is published again when its claim expires,
    // and settlement ignores the duplicate.
    async fn remove(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
DELETE FROM outbox USING relaxed
WHERE mode = 'off' AND id = ANY (ARRAY(SELECT id FROM outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED))";
        self.execute(SQL, ids(entries)).await.map(drop)
    }

    async fn release(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE outbox SET claimed_until = NULL
WHERE id = ANY (ARRAY(SELECT id FROM outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED))";
        self.execute(SQL, ids(entries)).await.map(drop)
    }

    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError> {
        const SQL: &str = "
WITH pending AS (
    SELECT id, product_id FROM orders WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids, not_before)
    SELECT array_agg(id ORDER BY id), array_agg(product_id ORDER BY id),
           clock_timestamp() + $2 * interval '1 microsecond'
    FROM pending HAVING count(*) > 0
)
SELECT id AS number FROM pending ORDER BY id";
        let postponed: Vec<NumberRow> = self.load(SQL, vec![ids.into(), delay.into()]).await?;
        Ok(postponed.iter().map(|row| OrderId(row.number)).collect())
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        const SQL: &str = "
WITH waiting AS MATERIALIZED (
    SELECT unnest(order_ids) AS order_id FROM outbox
), overdue AS (
    SELECT id, product_id FROM orders
    WHERE status = 'PENDING'
      AND ($1 = 0 OR coalesce(requeued_at, created_at)
          < clock_timestamp() - $1 * power(2, least(requeues, 12)) * interval '1 microsecond')
      AND NOT EXISTS (SELECT FROM waiting WHERE waiting.order_id = orders.id)
    ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids)
    SELECT array_agg(id ORDER BY id), array_agg(product_id ORDER BY id) FROM overdue HAVING count(*) > 0
)
UPDATE orders SET requeued_at = clock_timestamp(), requeues = least(requeues + 1, 30000)
FROM overdue WHERE orders.id = overdue.id";
        let binds = vec![limits.pending_for.into(), limits.limit.into()];
        self.execute(SQL, binds).await.map(|rows| rows as u64)
    }
}
