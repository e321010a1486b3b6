//! The outbox inside a transaction.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use domain::identifiers::OrderId;
use domain::ports::{OutboxEntry, OutboxId, OutboxRepository, RequeueLimits, StoreError};
use domain::stored;

use crate::rows::ProductIdRow;
use crate::statement::{Bind, execute, json, load};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct OutboxRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Text)]
    product_id: String,
}

#[derive(QueryableByName)]
struct OverdueRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(embed)]
    product: ProductIdRow,
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn ids(entries: &[OutboxId]) -> Bind {
    json(entries.iter().map(|id| id.0))
}

#[async_trait]
impl OutboxRepository for SqliteUnitOfWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        const SQL: &str = "
UPDATE outbox SET claimed_until = ? WHERE id IN (
    SELECT id FROM outbox WHERE claimed_until IS NULL OR claimed_until < ? ORDER BY id LIMIT ?
) RETURNING id, order_id, product_id";
        self.call(move |connection, now| {
            let now = now();
            let binds = [now.plus(lease).into(), now.into(), limit.into()];
            let mut claimed: Vec<OutboxRow> = load(connection, SQL, binds)?;
            claimed.sort_unstable_by_key(|row| row.id);
            claimed
                .into_iter()
                .map(|row| {
                    Ok(OutboxEntry {
                        id: OutboxId(row.id),
                        order_id: OrderId(row.order_id),
                        product_id: stored::product_id(row.product_id, "outbox")?,
                    })
                })
                .collect()
        })
        .await
    }

    async fn remove(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))";
        let entries = ids(entries);
        self.call(move |connection, _| execute(connection, SQL, [entries]).map(drop))
            .await
    }

    async fn release(&mut self, entries: &[OutboxId]) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE outbox SET claimed_until = NULL WHERE id IN (SELECT value FROM json_each(?))";
        let entries = ids(entries);
        self.call(move |connection, _| execute(connection, SQL, [entries]).map(drop))
            .await
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        const OVERDUE: &str = "
SELECT id, product_id FROM orders
WHERE status = 'PENDING'
  AND coalesce(requeued_at, created_at) < ? - ? * (1 << min(requeues, 12))
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.order_id = orders.id)
ORDER BY id LIMIT ?";
        const BOX: &str = "INSERT INTO outbox (order_id, product_id, created_at) VALUES (?, ?, ?)";
        const MARK: &str =
            "UPDATE orders SET requeued_at = ?, requeues = min(requeues + 1, 30000) WHERE id = ?";

        self.call(move |connection, now| {
            let now = now();
            let binds = [
                now.into(),
                micros(limits.pending_for).into(),
                limits.limit.into(),
            ];
            let overdue: Vec<OverdueRow> = load(connection, OVERDUE, binds)?;
            for row in &overdue {
                let product_id = row.product.product_id.as_str();
                let binds = [row.id.into(), product_id.into(), now.into()];
                execute(connection, BOX, binds)?;
                execute(connection, MARK, [now.into(), row.id.into()])?;
            }
            Ok(overdue.len() as u64)
        })
        .await
    }
}
