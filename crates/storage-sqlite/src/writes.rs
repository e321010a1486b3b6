//! A probe that checks whether the store accepts writes.

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use domain::ports::{StoreError, UnitOfWork as _, WriteProbe};

use crate::error::store_error;
use crate::store::SqliteStore;
use crate::unit_of_work::Durability;

/// Eight pages, for which the log and the file must have space. A row that an earlier probe left is removed first.
const FILL: &str =
    "DELETE FROM write_probe; INSERT INTO write_probe (filler) VALUES (zeroblob(32768))";

/// A separate transaction: pages that a transaction allocates and frees again are not written at all.
const CLEAR: &str = "DELETE FROM write_probe";

#[async_trait]
impl WriteProbe for SqliteStore {
    async fn probe_write(&self) -> Result<(), StoreError> {
        for sql in [FILL, CLEAR] {
            let mut work = self.begin_work(Durability::Full).await?;
            work.call(move |connection, _| connection.batch_execute(sql).map_err(store_error))
                .await?;
            Box::new(work).commit().await?;
        }
        Ok(())
    }
}
