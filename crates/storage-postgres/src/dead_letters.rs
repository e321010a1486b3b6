//! Dead letters: orders that settlement gave up.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Integer, Text, Timestamptz};
use domain::identifiers::OrderId;
use domain::ports::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, StoreError, dead_letter_reason,
};
use storage_sql::corrupt;

use crate::rows::from_pg;
use crate::statement::Bind;
use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct AttemptsRow {
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

#[derive(QueryableByName)]
struct DeadLetterRow {
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: PgTimestamp,
    #[diesel(sql_type = Timestamptz)]
    updated_at: PgTimestamp,
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
            created_at: from_pg(row.created_at),
            updated_at: from_pg(row.updated_at),
        })
    }
}

fn ids(orders: &[OrderId]) -> Bind {
    Bind::BigInts(orders.iter().map(|id| id.0).collect())
}

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
RETURNING attempts";
        let binds = vec![
            Bind::Text(dead_letter_reason(reason)),
            Bind::BigInt(order_id.0),
        ];
        let recorded: Vec<AttemptsRow> = self.load(SQL, binds).await?;
        Ok(recorded.iter().any(|row| row.attempts == 1))
    }

    async fn replay_orders(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str = "
WITH removed AS (
    DELETE FROM dead_letters WHERE order_id = ANY($1)
), waiting AS MATERIALIZED (
    SELECT unnest(order_ids) AS order_id FROM outbox
), lost AS (
    SELECT id, product_id FROM orders
    WHERE id = ANY($2) AND (status = 'PENDING') IS TRUE
      AND NOT EXISTS (SELECT FROM waiting WHERE waiting.order_id = orders.id)
    ORDER BY id FOR NO KEY UPDATE
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids)
    SELECT array_agg(id ORDER BY id), array_agg(product_id ORDER BY id) FROM lost HAVING count(*) > 0
)
UPDATE orders SET requeued_at = clock_timestamp(), requeues = 0 FROM lost WHERE orders.id = lost.id";
        let replayed = self.execute(SQL, vec![ids(orders), ids(orders)]).await?;
        Ok(replayed as u64)
    }

    async fn discard_dead_letters(&mut self, orders: &[OrderId]) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM dead_letters WHERE order_id = ANY($1)";
        Ok(self.execute(SQL, vec![ids(orders)]).await? as u64)
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        // SKIP LOCKED: concurrent sweepers do not wait for each other.
        const SQL: &str = "
DELETE FROM dead_letters WHERE order_id = ANY (ARRAY(
    SELECT order_id FROM dead_letters d
    WHERE NOT EXISTS (SELECT FROM orders WHERE id = d.order_id AND status = 'PENDING')
    ORDER BY order_id LIMIT $1 FOR UPDATE SKIP LOCKED
))";
        let binds = vec![Bind::BigInt(i64::from(limit))];
        Ok(self.execute(SQL, binds).await? as u64)
    }
}

#[async_trait]
impl DeadLetterQueries for PgStore {
    async fn list_dead_letters(
        &self,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        const SQL: &str = "
SELECT d.order_id, d.reason, d.attempts, d.created_at, d.updated_at
FROM dead_letters d JOIN orders o ON o.id = d.order_id
WHERE o.status = 'PENDING' AND d.order_id > $1 ORDER BY d.order_id LIMIT $2";
        let after = after.map_or(i64::MIN, |id| id.0);
        let binds = vec![Bind::BigInt(after), Bind::BigInt(i64::from(limit))];
        let found: Vec<DeadLetterRow> = self.load(SQL, binds).await?;
        found.into_iter().map(DeadLetter::try_from).collect()
    }
}
