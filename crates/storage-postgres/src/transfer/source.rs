//! Reads the whole database.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use domain::identifiers::{IdempotencyKey, ProductId, VendorId};
use domain::ports::{StoreError, TransferCursor, TransferReader, TransferRecord, TransferSource};
use storage_sql::{StoredKey, StoredShipment, StoredStock, StoredVendorStock};

use crate::checkout::Checkout;
use crate::rows::{OrderWithAllocationRow, StockRow, VendorRow, from_pg};
use crate::statement::Bind;
use crate::store::PgStore;

#[derive(QueryableByName)]
struct ProductRow {
    #[diesel(embed)]
    level: StockRow,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    reported: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    in_flight: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_expired: Option<bool>,
}

impl ProductRow {
    fn into_stored(self) -> (StoredStock, Option<StoredVendorStock>) {
        let position = match (self.vendor_id, self.reported, self.in_flight, self.as_of) {
            (Some(vendor_id), Some(reported), Some(in_flight), Some(as_of)) => {
                Some(StoredVendorStock {
                    vendor_id,
                    reported,
                    in_flight,
                    as_of: from_pg(as_of),
                    configured: true,
                    is_expired: self.is_expired.unwrap_or(false),
                })
            }
            _ => None,
        };
        let product = StoredStock {
            product_id: self.level.product_id,
            quantity: self.level.quantity,
            updated_at: from_pg(self.level.updated_at),
        };
        (product, position)
    }
}

#[derive(QueryableByName)]
struct OrderRow {
    #[diesel(embed)]
    order: OrderWithAllocationRow,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    shipped_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    known_as_of: Option<PgTimestamp>,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: PgTimestamp,
    #[diesel(sql_type = Nullable<Text>)]
    batch_digest: Option<String>,
}

/// A transaction with one snapshot; dropping it ends the transaction.
struct PgReader {
    checkout: Checkout,
    cursor: TransferCursor,
}

impl PgReader {
    async fn vendors(
        &mut self,
        after: Option<VendorId>,
        limit: Bind,
    ) -> Result<Vec<TransferRecord>, StoreError> {
        const SQL: &str = "
SELECT vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received,
       changed, error
FROM vendor_syncs WHERE vendor_id > $1 ORDER BY vendor_id LIMIT $2";
        let after = Bind::Text(after.map(VendorId::into_string).unwrap_or_default());
        let found: Vec<VendorRow> = self.checkout.load(SQL, vec![after, limit]).await?;
        found
            .into_iter()
            .map(|row| storage_sql::vendor_record(row.into()))
            .collect()
    }

    async fn products(
        &mut self,
        after: Option<ProductId>,
        limit: Bind,
    ) -> Result<Vec<TransferRecord>, StoreError> {
        const SQL: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight, p.as_of, p.is_expired
FROM (SELECT * FROM stock WHERE product_id > $1 ORDER BY product_id LIMIT $2) s
LEFT JOIN LATERAL (SELECT * FROM vendor_stock WHERE product_id = s.product_id OFFSET 0) p ON true
ORDER BY s.product_id, p.vendor_id";
        let after = Bind::Text(after.map(ProductId::into_string).unwrap_or_default());
        let found: Vec<ProductRow> = self.checkout.load(SQL, vec![after, limit]).await?;
        storage_sql::product_records(found.into_iter().map(ProductRow::into_stored))
    }

    async fn orders(&mut self, after: i64, limit: Bind) -> Result<Vec<TransferRecord>, StoreError> {
        const SQL: &str = "
SELECT o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped, a.shipped_at, a.known_as_of
FROM (SELECT * FROM orders WHERE id > $1 ORDER BY id LIMIT $2) o
LEFT JOIN LATERAL (SELECT * FROM allocations WHERE order_id = o.id OFFSET 0) a ON true
ORDER BY o.id, a.vendor_id";
        let binds = vec![Bind::BigInt(after), limit];
        let found: Vec<OrderRow> = self.checkout.load(SQL, binds).await?;
        storage_sql::order_records(found.into_iter().map(|row| {
            let (shipped_at, known_as_of) = (row.shipped_at, row.known_as_of);
            let (order, allocation) = row.order.into_stored();
            let shipment = allocation.map(|allocation| StoredShipment {
                allocation,
                shipped_at: shipped_at.map(from_pg),
                known_as_of: known_as_of.map(from_pg),
            });
            (order, shipment)
        }))
    }

    async fn keys(
        &mut self,
        after: Option<IdempotencyKey>,
        limit: Bind,
    ) -> Result<Vec<TransferRecord>, StoreError> {
        const SQL: &str = "
SELECT scope, key, order_id, created_at, batch_digest FROM idempotency_keys
WHERE (scope, key) > ($1, $2) ORDER BY scope, key LIMIT $3";
        let scope = after.as_ref().map_or("", IdempotencyKey::scope);
        let key = after.as_ref().map_or("", IdempotencyKey::key);
        let binds = vec![
            Bind::Text(scope.to_owned()),
            Bind::Text(key.to_owned()),
            limit,
        ];
        let found: Vec<KeyRow> = self.checkout.load(SQL, binds).await?;
        found
            .into_iter()
            .map(|row| {
                storage_sql::key_record(StoredKey {
                    scope: row.scope,
                    key: row.key,
                    order_id: row.order_id,
                    created_at: from_pg(row.created_at),
                    batch_digest: row.batch_digest,
                })
            })
            .collect()
    }
}

#[async_trait]
impl TransferReader for PgReader {
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError> {
        let limit = || Bind::BigInt(i64::from(limit.max(1)));
        loop {
            let page = match self.cursor.clone() {
                TransferCursor::Vendors(after) => self.vendors(after, limit()).await?,
                TransferCursor::Products(after) => self.products(after, limit()).await?,
                TransferCursor::Orders(after) => {
                    let after = after.map_or(i64::MIN, |id| id.0);
                    self.orders(after, limit()).await?
                }
                TransferCursor::Keys(after) => self.keys(after, limit()).await?,
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
