//! Dead letters: orders that settlement gave up.

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, StoreError, dead_letter_reason,
};
use storage_sql::{Bind, DEAD_LETTERS, NumberRow, QueuedRow};

use crate::outbox;
use crate::statement::{execute, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

#[async_trait]
impl DeadLetterRepository for SqliteUnitOfWork {
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
INSERT INTO dead_letters (order_id, reason, created_at, updated_at)
SELECT id, $1, $2, $2 FROM orders WHERE id = $3 AND status = 'PENDING'
ON CONFLICT (order_id) DO UPDATE SET
    reason = excluded.reason, attempts = min(attempts + 1, 1000000), updated_at = excluded.updated_at
RETURNING attempts AS number";
        let reason = dead_letter_reason(reason);
        let binds = vec![reason.as_str().into(), self.now().into(), order_id.into()];
        let recorded: Vec<NumberRow> = self.load(SQL, binds).await?;
        Ok(storage_sql::count(&recorded) == 1)
    }

    async fn replay_orders(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const REMOVED: &str =
            "DELETE FROM dead_letters WHERE order_id IN (SELECT value FROM json_each($1))";
        const LOST: &str = "
SELECT id, product_id FROM orders
WHERE id IN (SELECT value FROM json_each($1)) AND status = 'PENDING'
  AND id NOT IN (SELECT i.value FROM outbox, json_each(outbox.order_ids) i)
ORDER BY id";
        const MARK: &str = "UPDATE orders SET requeued_at = $1, requeues = 0 WHERE id = $2";
        let orders = Bind::from(orders);
        self.call(move |connection, now| {
            let now = now();
            execute(connection, REMOVED, vec![orders.clone()])?;
            let lost: Vec<QueuedRow> = load(connection, LOST, vec![orders])?;
            for row in &lost {
                execute(connection, MARK, vec![now.into(), row.id.into()])?;
            }
            outbox::put_rows(connection, &lost, now, None)?;
            Ok(lost.len() as u64)
        })
        .await
    }

    async fn discard_dead_letters(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str =
            "DELETE FROM dead_letters WHERE order_id IN (SELECT value FROM json_each($1))";
        self.execute(SQL, vec![orders.into()]).await
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
DELETE FROM dead_letters WHERE order_id IN (
    SELECT order_id FROM dead_letters
    WHERE NOT EXISTS (SELECT 1 FROM orders WHERE id = order_id AND status = 'PENDING')
    ORDER BY order_id LIMIT $1
)";
        self.execute(SQL, vec![limit.into()]).await
    }
}

#[async_trait]
impl DeadLetterQueries for SqliteStore {
    async fn list_dead_letters(
        &self,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        let binds = vec![after.into(), limit.into()];
        storage_sql::dead_letters(self.load(DEAD_LETTERS, binds).await?)
    }
}
