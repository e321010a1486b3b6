//! Rows of `dead_letters`.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use domain::identifiers::OrderId;
use domain::ports::{DeadLetter, StoreError};
use domain::timestamp::Timestamp;

use crate::{Instant, units};

/// Query for the dead letters of `PENDING` orders: those after an order id, at most a number of them.
pub const DEAD_LETTERS: &str = "
SELECT d.order_id, d.reason, d.attempts, d.created_at, d.updated_at
FROM dead_letters d JOIN orders o ON o.id = d.order_id
WHERE o.status = 'PENDING' AND d.order_id > $1 ORDER BY d.order_id LIMIT $2";

/// A row of [`DEAD_LETTERS`].
#[derive(QueryableByName)]
pub struct DeadLetterRow {
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Instant)]
    created_at: Timestamp,
    #[diesel(sql_type = Instant)]
    updated_at: Timestamp,
}

/// Parses dead letters.
pub fn dead_letters(rows: Vec<DeadLetterRow>) -> Result<Vec<DeadLetter>, StoreError> {
    rows.into_iter()
        .map(|row| {
            Ok(DeadLetter {
                order_id: OrderId(row.order_id),
                reason: row.reason,
                attempts: units(row.attempts, "dead_letters", "attempts", row.order_id)?,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}
