//! Dead letters: orders that settlement gave up.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use domain::identifiers::OrderId;
use domain::ports::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, StoreError, dead_letter_reason,
};
use domain::timestamp::Timestamp;
use storage_sql::corrupt;

use crate::outbox;
use crate::rows::ProductIdRow;
use crate::statement::{Bind, execute, json, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct AttemptsRow {
    #[diesel(sql_type = BigInt)]
    attempts: i64,
}

#[derive(QueryableByName)]
struct PendingRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(embed)]
    product: ProductIdRow,
}

#[derive(QueryableByName)]
struct DeadLetterRow {
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

impl TryFrom<DeadLetterRow> for DeadLetter {
    type Error = StoreError;

    fn try_from(row: DeadLetterRow) -> Result<Self, StoreError> {
        Ok(Self {
            order_id: OrderId(row.order_id),
            reason: row.reason,
            attempts: u32::try_from(row.attempts).map_err(corrupt(
                "dead_letters",
                "attempts",
                row.order_id,
            ))?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    }
}

fn ids(orders: &[OrderId]) -> Bind {
    json(orders.iter().map(|id| id.0))
}

#[async_trait]
impl DeadLetterRepository for SqliteUnitOfWork {
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
INSERT INTO dead_letters (order_id, reason, created_at, updated_at)
SELECT id, ?, ?, ? FROM orders WHERE id = ? AND status = 'PENDING'
ON CONFLICT (order_id) DO UPDATE SET
    reason = excluded.reason, attempts = min(attempts + 1, 1000000), updated_at = excluded.updated_at
RETURNING attempts";
        let reason = dead_letter_reason(reason);
        self.call(move |connection, now| {
            let now = now();
            let binds = [
                reason.as_str().into(),
                now.into(),
                now.into(),
                order_id.into(),
            ];
            let recorded: Vec<AttemptsRow> = load(connection, SQL, binds)?;
            Ok(recorded.iter().any(|row| row.attempts == 1))
        })
        .await
    }

    async fn replay_orders(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const REMOVED: &str =
            "DELETE FROM dead_letters WHERE order_id IN (SELECT value FROM json_each(?))";
        const LOST: &str = "
SELECT id, product_id FROM orders
WHERE id IN (SELECT value FROM json_each(?)) AND status = 'PENDING'
  AND id NOT IN (SELECT i.value FROM outbox, json_each(outbox.order_ids) i)
ORDER BY id";
        const MARK: &str = "UPDATE orders SET requeued_at = ?, requeues = 0 WHERE id = ?";
        let orders = ids(orders);
        self.call(move |connection, now| {
            let now = now();
            execute(connection, REMOVED, [orders.clone()])?;
            let lost: Vec<PendingRow> = load(connection, LOST, [orders])?;
            for row in &lost {
                execute(connection, MARK, [now.into(), row.id.into()])?;
            }
            let boxed = lost
                .iter()
                .map(|row| (row.id, row.product.product_id.as_str()));
            outbox::put(connection, &boxed.collect::<Vec<_>>(), now, None)?;
            Ok(lost.len() as u64)
        })
        .await
    }

    async fn discard_dead_letters(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str =
            "DELETE FROM dead_letters WHERE order_id IN (SELECT value FROM json_each(?))";
        let orders = ids(orders);
        self.call(move |connection, _| Ok(execute(connection, SQL, [orders])? as u64))
            .await
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
DELETE FROM dead_letters WHERE order_id IN (
    SELECT order_id FROM dead_letters
    WHERE NOT EXISTS (SELECT 1 FROM orders WHERE id = order_id AND status = 'PENDING')
    ORDER BY order_id LIMIT ?
)";
        self.call(move |connection, _| Ok(execute(connection, SQL, [limit.into()])? as u64))
            .await
    }
}

#[async_trait]
impl DeadLetterQueries for SqliteStore {
    async fn list_dead_letters(
        &self,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        const SQL: &str = "
SELECT d.order_id, d.reason, d.attempts, d.created_at, d.updated_at
FROM dead_letters d JOIN orders o ON o.id = d.order_id
WHERE o.status = 'PENDING' AND d.order_id > ? ORDER BY d.order_id LIMIT ?";
        let after = after.map_or(i64::MIN, |id| id.0);
        let binds = [after.into(), limit.into()];
        let found: Vec<DeadLetterRow> = self
            .read(move |connection| load(connection, SQL, binds))
            .await?;
        found.into_iter().map(DeadLetter::try_from).collect()
    }
}
