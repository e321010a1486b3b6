//! The registry of live queue consumers.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{ConsumerRegistry, StoreError};
use storage_sql::{Bind, TextRow};

use crate::store::PgStore;

#[async_trait]
impl ConsumerRegistry for PgStore {
    async fn renew(&self, own: &[String], lifetime: Duration) -> Result<Vec<String>, StoreError> {
        // SKIP LOCKED: rows that another process is removing or renewing are skipped.
        const PRUNE: &str = "
DELETE FROM queue_consumers WHERE id = ANY (ARRAY(
    SELECT id FROM queue_consumers WHERE seen_at < clock_timestamp() - $1 * interval '1 microsecond'
    FOR UPDATE SKIP LOCKED
))";
        const RENEW: &str = "
INSERT INTO queue_consumers (id, seen_at)
SELECT id, clock_timestamp() FROM unnest($1) AS i (id) ORDER BY id
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
        const LIST: &str = "
SELECT id AS text FROM queue_consumers
WHERE seen_at >= clock_timestamp() - $1 * interval '1 microsecond' ORDER BY id COLLATE \"C\"";
        let mut work = self.begin_work().await?;
        work.execute(PRUNE, vec![lifetime.into()]).await?;
        work.execute(RENEW, vec![Bind::texts(own.iter().map(String::as_str))])
            .await?;
        let alive: Vec<TextRow> = work.load(LIST, vec![lifetime.into()]).await?;
        work.end().await?;
        Ok(alive.into_iter().map(|row| row.text).collect())
    }
}
