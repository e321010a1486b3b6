//! Reads the whole file, for a move to another store.

use async_trait::async_trait;
use domain::identifiers::{IdempotencyKey, ProductId, VendorId};
use domain::ports::{StoreError, TransferCursor, TransferReader, TransferRecord, TransferSource};
use storage_sql::{KEYS, VENDORS};

use crate::store::SqliteStore;
use crate::unit_of_work::{Durability, SqliteUnitOfWork};

const PRODUCTS: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight, p.as_of, true AS configured, p.is_expired
FROM (SELECT * FROM stock WHERE product_id > $1 ORDER BY product_id LIMIT $2) s
LEFT JOIN vendor_stock p USING (product_id) ORDER BY s.product_id, p.vendor_id";

const ORDERS: &str = concat!(
    "SELECT ",
    storage_sql::order_columns!(),
    ", a.known_as_of
FROM (SELECT * FROM orders WHERE id > $1 ORDER BY id LIMIT $2) o
LEFT JOIN allocations a ON a.order_id = o.id ORDER BY o.id, a.vendor_id"
);

/// Holds the write lock, so that the data does not change.
struct SqliteReader {
    work: SqliteUnitOfWork,
    cursor: TransferCursor,
}

#[async_trait]
impl TransferReader for SqliteReader {
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError> {
        let limit = limit.max(1);
        loop {
            let page = match &self.cursor {
                TransferCursor::Vendors(after) => {
                    let after = after.as_ref().map_or("", VendorId::as_str);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::vendor_records(self.work.load(VENDORS, binds).await?)?
                }
                TransferCursor::Products(after) => {
                    let after = after.as_ref().map_or("", ProductId::as_str);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::product_records(self.work.load(PRODUCTS, binds).await?)?
                }
                TransferCursor::Orders(after) => {
                    let after = after.map_or(i64::MIN, |id| id.0);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::order_records(self.work.load(ORDERS, binds).await?)?
                }
                TransferCursor::Keys(after) => {
                    let scope = after.as_ref().map_or("", IdempotencyKey::scope);
                    let key = after.as_ref().map_or("", IdempotencyKey::key);
                    let binds = vec![scope.into(), key.into(), limit.into()];
                    storage_sql::key_records(self.work.load(KEYS, binds).await?)?
                }
                TransferCursor::End => Vec::new(),
            };
            self.cursor = self.cursor.after(page.last());
            if !page.is_empty() || self.cursor == TransferCursor::End {
                return Ok(page);
            }
        }
    }
}

#[async_trait]
impl TransferSource for SqliteStore {
    async fn read_all(&self) -> Result<Box<dyn TransferReader>, StoreError> {
        Ok(Box::new(SqliteReader {
            work: self.begin_work(Durability::Full).await?,
            cursor: TransferCursor::START,
        }))
    }
}
