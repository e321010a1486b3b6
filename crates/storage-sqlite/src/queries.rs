//! Queries outside a transaction. Each is a single statement and therefore reads one snapshot.

use async_trait::async_trait;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderStatus};
use domain::ports::{
    OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries, StoreError,
    StoreProbe, StoredPause,
};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, FlagRow, InstantRow, NumberRow, OrderRow, readable_page};

use crate::store::SqliteStore;

/// Selects a page of orders, newest first, each with its allocations by vendor.
macro_rules! order_page {
    ($where:literal) => {
        concat!(
            "SELECT ",
            storage_sql::order_columns!(),
            "
FROM (SELECT * FROM orders WHERE ",
            $where,
            ") o
LEFT JOIN allocations a ON a.order_id = o.id ORDER BY o.id DESC, a.vendor_id"
        )
    };
}

/// Selects the ids of the newest orders of a product with a status other than `PENDING`.
macro_rules! newest_settled {
    ($status:literal) => {
        concat!(
            "
    UNION ALL
    SELECT id FROM (SELECT id FROM orders WHERE product_id = $1 AND status = '",
            $status,
            "' AND status <> 'PENDING' AND id < $2 ORDER BY id DESC LIMIT $3)"
        )
    };
}

// One statement per filter, so that each is planned for the matching index.
const ONE: &str = order_page!("id = $1");
const SOME: &str = order_page!("id IN (SELECT value FROM json_each($1))");
const SETTLED: &str =
    order_page!("id IN (SELECT value FROM json_each($1)) AND status <> 'PENDING'");
const ALL: &str = order_page!("id < $1 ORDER BY id DESC LIMIT $2");
const BY_STATUS: &str = order_page!("status = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
// Merges a page of each status; the first rows of the merge are the page.
const BY_PRODUCT: &str = concat!(
    "SELECT ",
    storage_sql::order_columns!(),
    "
FROM (SELECT * FROM orders WHERE id IN (
    SELECT id FROM (SELECT id FROM orders WHERE product_id = $1 AND status = 'PENDING' AND id < $2 ORDER BY id DESC LIMIT $3)",
    newest_settled!("CONFIRMED"),
    newest_settled!("REJECTED"),
    newest_settled!("CANCELLED"),
    newest_settled!("SHIPPED"),
    newest_settled!("DELIVERED"),
    "
) ORDER BY id DESC LIMIT $3) o
LEFT JOIN allocations a ON a.order_id = o.id ORDER BY o.id DESC, a.vendor_id"
);
// The indexes by product are partial: a statement has to contain their condition.
const PENDING_BY_PRODUCT: &str =
    order_page!("product_id = $1 AND status = 'PENDING' AND id < $2 ORDER BY id DESC LIMIT $3");
const BY_BOTH: &str = order_page!(
    "status = $1 AND status <> 'PENDING' AND product_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4"
);
const STOCK: &str = "
SELECT product_id, quantity, updated_at FROM stock WHERE product_id > $1 ORDER BY product_id LIMIT $2";
const LEVELS: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE product_id IN (SELECT value FROM json_each($1)) ORDER BY product_id";
const IN_STOCK: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE quantity > 0 AND product_id > $1 ORDER BY product_id LIMIT $2";

impl SqliteStore {
    /// Reads the readable ones of the orders.
    async fn orders(&self, sql: &'static str, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let found = storage_sql::each_order(self.load(sql, vec![ids.into()]).await?);
        let each = found.into_iter().map(|(_, order)| order);
        self.shared().unreadable.leave_out(each)
    }

    async fn count(&self, sql: &'static str, at_most: u32) -> Result<u64, StoreError> {
        let counted: Vec<NumberRow> = self.load(sql, vec![at_most.into()]).await?;
        Ok(storage_sql::count(&counted))
    }

    async fn order_page(
        &self,
        filter: &OrderFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<OrderRow>, StoreError> {
        let is_pending = filter.status == Some(OrderStatus::Pending);
        let status = filter.status.map(|status| Bind::from(status.as_str()));
        let product = filter.product_id.as_ref().map(Bind::from);
        let (before, limit) = (Bind::from(before), Bind::from(limit));
        let (sql, binds) = match (status, product) {
            (None, None) => (ALL, vec![before, limit]),
            (Some(status), None) => (BY_STATUS, vec![status, before, limit]),
            (None, Some(product)) => (BY_PRODUCT, vec![product, before, limit]),
            (Some(_), Some(product)) if is_pending => {
                (PENDING_BY_PRODUCT, vec![product, before, limit])
            }
            (Some(status), Some(product)) => (BY_BOTH, vec![status, product, before, limit]),
        };
        self.load(sql, binds).await
    }
}

#[async_trait]
impl OrderQueries for SqliteStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let found = self.load(ONE, vec![id.into()]).await?;
        Ok(storage_sql::orders(found)?.pop())
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        self.orders(SOME, ids).await
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        self.orders(SETTLED, ids).await
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        let unreadable = &self.shared().unreadable;
        readable_page(unreadable, before, limit, |before, left| async move {
            let page = self.order_page(filter, before, left).await?;
            Ok(storage_sql::each_order(page))
        })
        .await
    }
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
       max(p.as_of, coalesce(v.full_as_of, p.as_of)) AS as_of
FROM stock s
LEFT JOIN vendor_stock p USING (product_id)
LEFT JOIN vendor_syncs v USING (vendor_id)
WHERE s.product_id = $1 ORDER BY p.vendor_id";
        storage_sql::product_detail(self.load(SQL, vec![product_id.into()]).await?)
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        let found = storage_sql::each_level(self.load(LEVELS, vec![product_ids.into()]).await?);
        let each = found.map(|(_, level)| level);
        self.shared().unreadable.leave_out(each)
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        let sql = if in_stock { IN_STOCK } else { STOCK };
        let after = storage_sql::page_start(after);
        let unreadable = &self.shared().unreadable;
        readable_page(unreadable, after, limit, |after, left| async move {
            let binds = vec![after.as_str().into(), left.into()];
            Ok(storage_sql::each_level(self.load(sql, binds).await?).collect())
        })
        .await
    }
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
SELECT created_at AS instant FROM outbox WHERE not_before IS NULL OR not_before <= $1 ORDER BY id LIMIT 1";
        let now = self.shared().clock.now();
        let oldest: Vec<InstantRow> = self.load(SQL, vec![now.into()]).await?;
        Ok(OutboxLag {
            oldest: oldest.first().map(|row| now.since(row.instant)),
        })
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT count(*) AS number FROM (SELECT 1 FROM outbox LIMIT $1)";
        self.count(SQL, at_most).await
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
SELECT count(*) AS number FROM (
    SELECT 1 FROM dead_letters d JOIN orders o ON o.id = d.order_id WHERE o.status = 'PENDING' LIMIT $1
)";
        self.count(SQL, at_most).await
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        const SQL: &str = "
SELECT NOT EXISTS (
    SELECT 1 FROM json_each($1) i WHERE NOT EXISTS (
        SELECT 1 FROM vendor_syncs v WHERE v.vendor_id = i.value AND v.finished_at IS NOT NULL
    )
) AS flag";
        let tried: Vec<FlagRow> = self.load(SQL, vec![vendor_ids.into()]).await?;
        Ok(storage_sql::flag(&tried))
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.read_pauses(vendor_ids).await
    }
}

#[cfg(test)]
mod tests;
