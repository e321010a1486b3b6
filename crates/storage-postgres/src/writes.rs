//! A probe that checks whether the database accepts writes.

use async_trait::async_trait;
use domain::ports::{StoreError, WriteProbe};

use crate::store::PgStore;

/// Fills most of a page, so that the table has to grow as it does for new orders. Vacuum frees the pages.
const FILL: &str = "INSERT INTO write_probe (filler) VALUES (repeat('x', 7000))";

const CLEAR: &str = "DELETE FROM write_probe";

#[async_trait]
impl WriteProbe for PgStore {
    async fn probe_write(&self) -> Result<(), StoreError> {
        let mut work = self.begin_work().await?;
        work.execute(FILL, Vec::new()).await?;
        work.execute(CLEAR, Vec::new()).await?;
        work.end().await
    }
}
