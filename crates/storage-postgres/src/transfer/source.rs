//! Reads the whole database.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use domain::identifiers::{IdempotencyKey, ProductId, VendorId};
use domain::ports::{StoreError, TransferCursor, TransferReader, TransferRecord, TransferSource};
use storage_sql::{Bind, KEYS, Statement, VENDORS};

use crate::checkout::Checkout;
use crate::store::PgStore;

const PRODUCTS: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight, p.as_of, true AS configured, p.is_expired
FROM (SELECT * FROM stock WHERE product_id > $1 ORDER BY product_id LIMIT $2) s
LEFT JOIN LATERAL (SELECT * FROM vendor_stock WHERE product_id = s.product_id OFFSET 0) p ON true
ORDER BY s.product_id, p.vendor_id";

const ORDERS: &str = concat!(
    "SELECT ",
    storage_sql::order_columns!(),
    ", a.known_as_of
FROM (SELECT * FROM orders WHERE id > $1 ORDER BY id LIMIT $2) o
LEFT JOIN LATERAL (SELECT * FROM allocations WHERE order_id = o.id OFFSET 0) a ON true
ORDER BY o.id, a.vendor_id"
);

/// A transaction with one snapshot; dropping it ends the transaction.
struct PgReader {
    checkout: Checkout,
    cursor: TransferCursor,
}

impl PgReader {
    async fn load<R>(&mut self, sql: &'static str, binds: Vec<Bind>) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        self.checkout.load(&Statement::new(sql, binds)).await
    }
}

#[async_trait]
impl TransferReader for PgReader {
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError> {
        let limit = limit.max(1);
        loop {
            let page = match &self.cursor {
                TransferCursor::Vendors(after) => {
                    let after = after.as_ref().map_or("", VendorId::as_str);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::vendor_records(self.load(VENDORS, binds).await?)?
                }
                TransferCursor::Products(after) => {
                    let after = after.as_ref().map_or("", ProductId::as_str);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::product_records(self.load(PRODUCTS, binds).await?)?
                }
                TransferCursor::Orders(after) => {
                    let after = after.map_or(i64::MIN, |id| id.0);
                    let binds = vec![after.into(), limit.into()];
                    storage_sql::order_records(self.load(ORDERS, binds).await?)?
                }
                TransferCursor::Keys(after) => {
                    let scope = after.as_ref().map_or("", IdempotencyKey::scope);
                    let key = after.as_ref().map_or("", IdempotencyKey::key);
                    let binds = vec![scope.into(), key.into(), limit.into()];
                    storage_sql::key_records(self.load(KEYS, binds).await?)?
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
impl TransferSource for PgStore {
    async fn read_all(&self) -> Result<Box<dyn TransferReader>, StoreError> {
        let mut checkout = self.checkout().await?;
        checkout.begin_to_read().await?;
        Ok(Box::new(PgReader {
            checkout,
            cursor: TransferCursor::START,
        }))
    }
}
