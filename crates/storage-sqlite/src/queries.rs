//! Queries outside a transaction. Each is a single statement and therefore reads one snapshot.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::Order;
use domain::ports::{
    OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries, StoreError,
    StoreProbe, StoredPause, VendorLevel,
};
use domain::timestamp::Timestamp;
use storage_sql::StoredVendorStock;

use crate::rows;
use crate::statement::{Bind, json, load};
use crate::store::SqliteStore;

/// Selects a page of orders, newest first, each with its allocations by vendor.
macro_rules! order_page {
    ($where:literal) => {
        concat!(
            "
SELECT o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped
FROM (SELECT * FROM orders WHERE ",
            $where,
            ") o
LEFT JOIN allocations a ON a.order_id = o.id ORDER BY o.id DESC, a.vendor_id"
        )
    };
}

// One statement per filter, so that each is planned for the matching index.
const ONE: &str = order_page!("id = ?");
const SOME: &str = order_page!("id IN (SELECT value FROM json_each(?))");
const SETTLED: &str = order_page!("id IN (SELECT value FROM json_each(?)) AND status <> 'PENDING'");
const ALL: &str = order_page!("id < ? ORDER BY id DESC LIMIT ?");
const BY_STATUS: &str = order_page!("status = ? AND id < ? ORDER BY id DESC LIMIT ?");
const BY_PRODUCT: &str = order_page!("product_id = ? AND id < ? ORDER BY id DESC LIMIT ?");
const BY_BOTH: &str =
    order_page!("status = ? AND product_id = ? AND id < ? ORDER BY id DESC LIMIT ?");
const STOCK: &str = "
SELECT product_id, quantity, updated_at FROM stock WHERE product_id > ? ORDER BY product_id LIMIT ?";
const LEVELS: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE product_id IN (SELECT value FROM json_each(?)) ORDER BY product_id";
const IN_STOCK: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE quantity > 0 AND product_id > ? ORDER BY product_id LIMIT ?";

/// Orders of one page, and the position after which the next page starts.
struct OrderPage {
    orders: Vec<Order>,
    /// Number of `orders` rows, including unreadable ones.
    seen: usize,
    last: Option<i64>,
}

impl SqliteStore {
    async fn orders<const N: usize>(
        &self,
        sql: &'static str,
        binds: [Bind; N],
    ) -> Result<OrderPage, StoreError> {
        let (last, each) = self
            .read(move |connection| {
                let joined: Vec<rows::OrderRow> = load(connection, sql, binds)?;
                let last = joined.last().map(|row| row.id);
                Ok((last, rows::each_order(joined)))
            })
            .await?;
        Ok(OrderPage {
            seen: each.len(),
            last,
            orders: self.shared().unreadable.leave_out(each)?,
        })
    }

    async fn order_page(
        &self,
        filter: &OrderFilter,
        before: i64,
        limit: u32,
    ) -> Result<OrderPage, StoreError> {
        let status = filter.status.map(|status| Bind::from(status.as_str()));
        let product = filter.product_id.as_ref().map(Bind::from);
        let before = Bind::from(before);
        let limit = Bind::from(limit);
        match (status, product) {
            (None, None) => self.orders(ALL, [before, limit]).await,
            (Some(status), None) => self.orders(BY_STATUS, [status, before, limit]).await,
            (None, Some(product)) => self.orders(BY_PRODUCT, [product, before, limit]).await,
            (Some(status), Some(product)) => {
                self.orders(BY_BOTH, [status, product, before, limit]).await
            }
        }
    }
}

#[async_trait]
impl OrderQueries for SqliteStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.read(move |connection| Ok(rows::orders(load(connection, ONE, [id.into()])?)?.pop()))
            .await
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let ids = json(ids.iter().map(|id| id.0));
        Ok(self.orders(SOME, [ids]).await?.orders)
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let ids = json(ids.iter().map(|id| id.0));
        Ok(self.orders(SETTLED, [ids]).await?.orders)
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let mut before = before.map_or(i64::MAX, |id| id.0);
        let mut found = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            let page = self.order_page(filter, before, left).await?;
            let is_last = page.seen < usize::try_from(left).unwrap_or(usize::MAX);
            let is_whole = page.seen == page.orders.len();
            found.extend(page.orders);
            match page.last {
                // Unreadable orders are replaced by further ones: a short page would mean the end of the list.
                Some(last) if !is_last && !is_whole => before = last,
                _ => return Ok(found),
            }
        }
    }
}

#[derive(QueryableByName)]
struct StockRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

impl TryFrom<StockRow> for StockLevel {
    type Error = StoreError;

    fn try_from(row: StockRow) -> Result<Self, StoreError> {
        let updated_at = Timestamp::from_micros(row.updated_at);
        storage_sql::stock_level(row.product_id, row.quantity, updated_at)
    }
}

#[derive(QueryableByName)]
struct DetailRow {
    #[diesel(embed)]
    level: StockRow,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    reported: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    in_flight: Option<i32>,
    #[diesel(sql_type = Nullable<Bool>)]
    configured: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_expired: Option<bool>,
    #[diesel(sql_type = Nullable<BigInt>)]
    known_as_of: Option<i64>,
}

impl DetailRow {
    /// Returns the stock of one vendor, if the row has one.
    fn vendor_level(&self) -> Result<Option<VendorLevel>, StoreError> {
        let (Some(vendor_id), Some(reported), Some(in_flight), Some(configured), Some(as_of)) = (
            self.vendor_id.clone(),
            self.reported,
            self.in_flight,
            self.configured,
            self.known_as_of,
        ) else {
            return Ok(None);
        };
        storage_sql::vendor_level(StoredVendorStock {
            vendor_id,
            reported,
            in_flight,
            as_of: Timestamp::from_micros(as_of),
            configured,
            is_expired: self.is_expired.unwrap_or(false),
        })
        .map(Some)
    }
}

fn detail(found: Vec<DetailRow>) -> Result<Option<ProductDetail>, StoreError> {
    let mut vendors = Vec::with_capacity(found.len());
    let mut level = None;
    for row in found {
        vendors.extend(row.vendor_level()?);
        level = Some(row.level);
    }
    level
        .map(|row| {
            Ok(ProductDetail {
                level: row.try_into()?,
                vendors,
            })
        })
        .transpose()
}

#[async_trait]
impl StockQueries for SqliteStore {
    async fn find_stock(
        &self,
        product_id: &ProductId,
    ) -> Result<Option<ProductDetail>, StoreError> {
        // A full report covers every product of its vendor, including those whose row it did not change.
        const SQL: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight, v.configured, p.is_expired,
       max(p.as_of, coalesce(v.full_as_of, p.as_of)) AS known_as_of
FROM stock s
LEFT JOIN vendor_stock p USING (product_id)
LEFT JOIN vendor_syncs v USING (vendor_id)
WHERE s.product_id = ? ORDER BY p.vendor_id";
        let product_id = Bind::from(product_id);
        self.read(move |connection| detail(load(connection, SQL, [product_id])?))
            .await
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        let product_ids = json(product_ids.iter().map(ProductId::as_str));
        let found: Vec<StockRow> = self
            .read(move |connection| load(connection, LEVELS, [product_ids]))
            .await?;
        let each = found.into_iter().map(StockLevel::try_from);
        self.shared().unreadable.leave_out(each)
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        let sql = if in_stock { IN_STOCK } else { STOCK };
        // A product id is never empty, so every id is greater than the empty text.
        let mut after = after.map(ProductId::into_string).unwrap_or_default();
        let mut levels = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(levels.len()).unwrap_or(u32::MAX));
            let binds = [after.as_str().into(), left.into()];
            let found: Vec<StockRow> = self
                .read(move |connection| load(connection, sql, binds))
                .await?;
            let seen = found.len();
            let last = found.last().map(|row| row.product_id.clone());
            let each = found.into_iter().map(StockLevel::try_from);
            let readable = self.shared().unreadable.leave_out(each)?;
            let is_last = seen < usize::try_from(left).unwrap_or(usize::MAX);
            let is_whole = seen == readable.len();
            levels.extend(readable);
            match last {
                // Unreadable products are replaced by further ones: a short page would mean the end of the list.
                Some(last) if !is_last && !is_whole => after = last,
                _ => return Ok(levels),
            }
        }
    }
}

#[derive(QueryableByName)]
struct OldestRow {
    #[diesel(sql_type = BigInt)]
    created_at: i64,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

#[derive(QueryableByName)]
struct FlagRow {
    #[diesel(sql_type = Bool)]
    flag: bool,
}

#[async_trait]
impl StoreProbe for SqliteStore {
    fn unreadable_rows(&self) -> u64 {
        self.shared().unreadable.count()
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        Ok(self.shared().clock.now())
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        const SQL: &str = "
SELECT created_at FROM outbox WHERE not_before IS NULL OR not_before <= ? ORDER BY id LIMIT 1";
        let now = self.shared().clock.now();
        let oldest: Vec<OldestRow> = self
            .read(move |connection| load(connection, SQL, [now.into()]))
            .await?;
        let age =
            |row: &OldestRow| -> Duration { now.since(Timestamp::from_micros(row.created_at)) };
        Ok(OutboxLag {
            oldest: oldest.first().map(age),
        })
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT count(*) AS entries FROM (SELECT 1 FROM outbox LIMIT ?)";
        let counted: Vec<CountRow> = self
            .read(move |connection| load(connection, SQL, [at_most.into()]))
            .await?;
        Ok(counted.first().map_or(0, |row| row.entries.unsigned_abs()))
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
SELECT count(*) AS entries FROM (
    SELECT 1 FROM dead_letters d JOIN orders o ON o.id = d.order_id WHERE o.status = 'PENDING' LIMIT ?
)";
        let counted: Vec<CountRow> = self
            .read(move |connection| load(connection, SQL, [at_most.into()]))
            .await?;
        Ok(counted.first().map_or(0, |row| row.entries.unsigned_abs()))
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        const SQL: &str = "
SELECT NOT EXISTS (
    SELECT 1 FROM json_each(?) i WHERE NOT EXISTS (
        SELECT 1 FROM vendor_syncs v WHERE v.vendor_id = i.value AND v.finished_at IS NOT NULL
    )
) AS flag";
        let vendor_ids = json(vendor_ids.iter().map(VendorId::as_str));
        let tried: Vec<FlagRow> = self
            .read(move |connection| load(connection, SQL, [vendor_ids]))
            .await?;
        Ok(tried.first().is_some_and(|row| row.flag))
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.read_pauses(vendor_ids).await
    }
}

#[cfg(test)]
mod tests;
