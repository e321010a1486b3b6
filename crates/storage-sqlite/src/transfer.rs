//! Reads the whole file, for a move to another store.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::{IdempotencyKey, ProductId, VendorId};
use domain::ports::{StoreError, TransferCursor, TransferReader, TransferRecord, TransferSource};
use domain::timestamp::Timestamp;
use storage_sql::{StoredKey, StoredShipment, StoredStock, StoredVendorStock};

use crate::rows::VendorRow;
use crate::statement::{Bind, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

fn vendors(
    connection: &mut SqliteConnection,
    binds: [Bind; 2],
) -> Result<Vec<TransferRecord>, StoreError> {
    const SQL: &str = "
SELECT vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received,
       changed, error
FROM vendor_syncs WHERE vendor_id > ? ORDER BY vendor_id LIMIT ?";
    let found: Vec<VendorRow> = load(connection, SQL, binds)?;
    found
        .into_iter()
        .map(|row| storage_sql::vendor_record(row.into()))
        .collect()
}

#[derive(QueryableByName)]
struct ProductRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    reported: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    in_flight: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    as_of: Option<i64>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_expired: Option<bool>,
}

fn products(
    connection: &mut SqliteConnection,
    binds: [Bind; 2],
) -> Result<Vec<TransferRecord>, StoreError> {
    const SQL: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight, p.as_of, p.is_expired
FROM (SELECT * FROM stock WHERE product_id > ? ORDER BY product_id LIMIT ?) s
LEFT JOIN vendor_stock p USING (product_id) ORDER BY s.product_id, p.vendor_id";
    let found: Vec<ProductRow> = load(connection, SQL, binds)?;
    storage_sql::product_records(found.into_iter().map(|row| {
        let position = match (row.vendor_id, row.reported, row.in_flight, row.as_of) {
            (Some(vendor_id), Some(reported), Some(in_flight), Some(as_of)) => {
                Some(StoredVendorStock {
                    vendor_id,
                    reported,
                    in_flight,
                    as_of: Timestamp::from_micros(as_of),
                    configured: true,
                    is_expired: row.is_expired.unwrap_or(false),
                })
            }
            _ => None,
        };
        let product = StoredStock {
            product_id: row.product_id,
            quantity: row.quantity,
            updated_at: Timestamp::from_micros(row.updated_at),
        };
        (product, position)
    }))
}

#[derive(QueryableByName)]
struct OrderRow {
    #[diesel(embed)]
    order: crate::rows::OrderRow,
    #[diesel(sql_type = Nullable<BigInt>)]
    shipped_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    known_as_of: Option<i64>,
}

fn orders(
    connection: &mut SqliteConnection,
    binds: [Bind; 2],
) -> Result<Vec<TransferRecord>, StoreError> {
    const SQL: &str = "
SELECT o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped, a.shipped_at, a.known_as_of
FROM (SELECT * FROM orders WHERE id > ? ORDER BY id LIMIT ?) o
LEFT JOIN allocations a ON a.order_id = o.id ORDER BY o.id, a.vendor_id";
    let found: Vec<OrderRow> = load(connection, SQL, binds)?;
    storage_sql::order_records(found.into_iter().map(|row| {
        let (shipped_at, known_as_of) = (row.shipped_at, row.known_as_of);
        let (order, allocation) = row.order.into_stored();
        let shipment = allocation.map(|allocation| StoredShipment {
            allocation,
            shipped_at: shipped_at.map(Timestamp::from_micros),
            known_as_of: known_as_of.map(Timestamp::from_micros),
        });
        (order, shipment)
    }))
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    batch_digest: Option<String>,
}

fn keys(
    connection: &mut SqliteConnection,
    binds: [Bind; 3],
) -> Result<Vec<TransferRecord>, StoreError> {
    const SQL: &str = "
SELECT scope, key, order_id, created_at, batch_digest FROM idempotency_keys
WHERE (scope, key) > (?, ?) ORDER BY scope, key LIMIT ?";
    let found: Vec<KeyRow> = load(connection, SQL, binds)?;
    found
        .into_iter()
        .map(|row| {
            storage_sql::key_record(StoredKey {
                scope: row.scope,
                key: row.key,
                order_id: row.order_id,
                created_at: Timestamp::from_micros(row.created_at),
                batch_digest: row.batch_digest,
            })
        })
        .collect()
}

/// Holds the write lock, so that the data does not change.
struct SqliteReader {
    work: SqliteUnitOfWork,
    cursor: TransferCursor,
}

#[async_trait]
impl TransferReader for SqliteReader {
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError> {
        let limit = Bind::from(limit.max(1));
        loop {
            let (cursor, limit) = (self.cursor.clone(), limit.clone());
            let page = self
                .work
                .call(move |connection, _| match cursor {
                    TransferCursor::Vendors(after) => {
                        let after = after.as_ref().map_or("", VendorId::as_str);
                        vendors(connection, [after.into(), limit])
                    }
                    TransferCursor::Products(after) => {
                        let after = after.as_ref().map_or("", ProductId::as_str);
                        products(connection, [after.into(), limit])
                    }
                    TransferCursor::Orders(after) => {
                        let after = after.map_or(i64::MIN, |id| id.0);
                        orders(connection, [after.into(), limit])
                    }
                    TransferCursor::Keys(after) => {
                        let scope = after.as_ref().map_or("", IdempotencyKey::scope);
                        let key = after.as_ref().map_or("", IdempotencyKey::key);
                        keys(connection, [scope.into(), key.into(), limit])
                    }
                    TransferCursor::End => Ok(Vec::new()),
                })
                .await?;
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
            work: self.begin_work().await?,
            cursor: TransferCursor::START,
        }))
    }
}
