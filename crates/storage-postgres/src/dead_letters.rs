//! Dead letters: orders that settlement gave up.

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, StoreError, dead_letter_reason,
};
use storage_sql::{DEAD_LETTERS, NumberRow};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl DeadLetterRepository for PgUnitOfWork {
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
INSERT INTO dead_letters (order_id, reason)
SELECT id, $1 FROM orders WHERE id = $2 AND status = 'PENDING'
ON CONFLICT (order_id) DO UPDATE SET
    reason = excluded.reason, attempts = least(dead_letters.attempts + 1, 1000000),
    updated_at = clock_timestamp()
RETURNING attempts::bigint AS number";
        let reason = dead_letter_reason(reason);
        let binds = vec![reason.as_str().into(), order_id.into()];
        let recorded: Vec<NumberRow> = self.load(SQL, binds).await?;
        Ok(storage_sql::count(&recorded) == 1)
    }

    async fn replay_orders(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str = "
WITH removed AS (
    DELETE FROM dead_letters WHERE order_id = ANY($1)
), waiting AS MATERIALIZED (
    SELECT unnest(order_ids) AS order_id FROM outbox
), lost AS (
    SELECT id, product_id FROM orders
    WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE
      AND NOT EXISTS (SELECT FROM waiting WHERE waiting.order_id = orders.id)
    ORDER BY id FOR NO KEY UPDATE
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids)
    SELECT array_agg(id ORDER BY id), array_agg(product_id ORDER BY id) FROM lost HAVING count(*) > 0
)
UPDATE orders SET requeued_at = clock_timestamp(), requeues = 0 FROM lost WHERE orders.id = lost.id";
        let replayed = self.execute(SQL, vec![orders.into()]).await?;
        Ok(replayed as u64)
    }

    async fn discard_dead_letters(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM dead_letters WHERE order_id = ANY($1)";
        Ok(self.execute(SQL, vec![orders.into()]).await? as u64)
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        // SKIP LOCKED: concurrent sweepers do not wait for each other.
        const SQL: &str = "
DELETE FROM dead_letters WHERE order_id = ANY (ARRAY(
    SELECT order_id FROM dead_letters d
    WHERE NOT EXISTS (SELECT FROM orders WHERE id = d.order_id AND status = 'PENDING')
    ORDER BY order_id LIMIT $1 FOR UPDATE SKIP LOCKED
))";
        Ok(self.execute(SQL, vec![limit.into()]).await? as u64)
    }
}

#[async_trait]
impl DeadLetterQueries for PgStore {
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
