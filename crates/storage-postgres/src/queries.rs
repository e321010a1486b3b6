//! Queries outside a transaction.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderStatus};
use domain::ports::{
    ChangeFeedLag, OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries,
    StoreError, StoreProbe, StoredPause, VendorLevel,
};
use domain::timestamp::Timestamp;
use storage_sql::StoredVendorStock;

use crate::changes;
use crate::rows::{self, FlagRow, InstantRow, OrderWithAllocationRow, StockRow, from_pg};
use crate::statement::{Bind, texts};
use crate::store::PgStore;

/// Orders of one page, and the position after which the next page starts.
struct OrderPage {
    orders: Vec<Order>,
    /// Number of `orders` rows, including unreadable ones.
    seen: usize,
    last: Option<i64>,
}

impl PgStore {
    pub(crate) async fn load<R>(
        &self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        let mut spares = self.spares();
        loop {
            let mut checkout = self.checkout().await?;
            match checkout.load(sql, binds.clone()).await {
                // Reads can be retried.
                Err(_) if spares > 0 && checkout.is_stale() => spares -= 1,
                result => return result,
            }
        }
    }

    async fn flag(&self, sql: &'static str, binds: Vec<Bind>) -> Result<bool, StoreError> {
        let rows: Vec<FlagRow> = self.load(sql, binds).await?;
        Ok(rows.first().is_some_and(|row| row.flag))
    }

    async fn orders(&self, sql: &'static str, binds: Vec<Bind>) -> Result<OrderPage, StoreError> {
        let joined: Vec<OrderWithAllocationRow> = self.load(sql, binds).await?;
        let last = joined.last().map(|row| row.order.id);
        let each = rows::each_joined_order(joined);
        Ok(OrderPage {
            seen: each.len(),
            last,
            orders: self.unreadable().leave_out(each)?,
        })
    }
}

/// Selects a page of orders, newest first, each with its allocations by vendor. Two statements could see different
/// states: an order that is settled in between would have allocations but not yet its new status.
macro_rules! order_page {
    ($where:literal) => {
        concat!(
            order_columns!(),
            "
FROM (SELECT * FROM orders WHERE ",
            $where,
            ") o",
            order_allocations!()
        )
    };
}

macro_rules! order_columns {
    () => {
        "
SELECT o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped"
    };
}

macro_rules! order_allocations {
    () => {
        "
LEFT JOIN LATERAL (SELECT * FROM allocations WHERE order_id = o.id OFFSET 0) a ON true
ORDER BY o.id DESC, a.vendor_id"
    };
}

#[async_trait]
impl OrderQueries for PgStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        const SQL: &str = order_page!("id = $1");
        let found = self.load(SQL, vec![Bind::BigInt(id.0)]).await?;
        Ok(rows::joined_orders(found)?.pop())
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        const SQL: &str = order_page!("id = ANY($1)");
        let ids = ids.iter().map(|id| id.0).collect();
        Ok(self.orders(SQL, vec![Bind::BigInts(ids)]).await?.orders)
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        const SQL: &str = order_page!("id = ANY($1) AND status <> 'PENDING'");
        let ids = ids.iter().map(|id| id.0).collect();
        Ok(self.orders(SQL, vec![Bind::BigInts(ids)]).await?.orders)
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

impl PgStore {
    async fn order_page(
        &self,
        filter: &OrderFilter,
        before: i64,
        limit: u32,
    ) -> Result<OrderPage, StoreError> {
        // One statement per filter, so that each is planned for the matching index.
        const ALL: &str = order_page!("id < $1 ORDER BY id DESC LIMIT $2");
        const BY_STATUS: &str = order_page!("status = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
        // Merges one index range per status; the first rows of the merge are the page.
        const BY_PRODUCT: &str = concat!(
            order_columns!(),
            "
FROM (
    SELECT newest.* FROM unnest($1) AS s (status)
    CROSS JOIN LATERAL (
        SELECT * FROM orders WHERE product_id = $2 AND status = s.status AND id < $3 ORDER BY id DESC LIMIT $4
    ) AS newest ORDER BY id DESC LIMIT $5
) o",
            order_allocations!()
        );
        const BY_BOTH: &str =
            order_page!("status = $1 AND product_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4");

        let status = filter
            .status
            .map(|status| Bind::Text(status.as_str().to_owned()));
        let product = filter
            .product_id
            .as_ref()
            .map(|id| Bind::Text(id.as_str().to_owned()));
        let before = Bind::BigInt(before);
        let limit = Bind::BigInt(i64::from(limit));
        let (sql, binds) = match (status, product) {
            (None, None) => (ALL, vec![before, limit]),
            (Some(status), None) => (BY_STATUS, vec![status, before, limit]),
            (None, Some(product)) => {
                let statuses = texts(OrderStatus::ALL.iter().map(|status| status.as_str()));
                let binds = vec![statuses, product, before, limit.clone(), limit];
                (BY_PRODUCT, binds)
            }
            (Some(status), Some(product)) => (BY_BOTH, vec![status, product, before, limit]),
        };
        self.orders(sql, binds).await
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
    #[diesel(sql_type = Nullable<Timestamptz>)]
    known_as_of: Option<PgTimestamp>,
}

fn vendor_level(row: &DetailRow) -> Result<Option<VendorLevel>, StoreError> {
    let (Some(vendor_id), Some(reported), Some(in_flight), Some(configured), Some(as_of)) = (
        &row.vendor_id,
        row.reported,
        row.in_flight,
        row.configured,
        row.known_as_of,
    ) else {
        return Ok(None);
    };
    storage_sql::vendor_level(StoredVendorStock {
        vendor_id: vendor_id.clone(),
        reported,
        in_flight,
        as_of: from_pg(as_of),
        configured,
        is_expired: row.is_expired.unwrap_or(false),
    })
    .map(Some)
}

#[async_trait]
impl StockQueries for PgStore {
    async fn find_stock(
        &self,
        product_id: &ProductId,
    ) -> Result<Option<ProductDetail>, StoreError> {
        // A full report covers every product of its vendor, including those whose row it did not change.
        const SQL: &str = "
SELECT s.product_id, s.quantity, s.updated_at, p.vendor_id, p.reported, p.in_flight,
       v.configured, p.is_expired, greatest(p.as_of, v.full_as_of) AS known_as_of
FROM stock s
LEFT JOIN vendor_stock p USING (product_id)
LEFT JOIN vendor_syncs v USING (vendor_id)
WHERE s.product_id = $1 ORDER BY p.vendor_id";
        let found: Vec<DetailRow> = self
            .load(SQL, vec![Bind::Text(product_id.as_str().to_owned())])
            .await?;
        let mut vendors = Vec::with_capacity(found.len());
        let mut level = None;
        for row in found {
            vendors.extend(vendor_level(&row)?);
            level = Some(row.level);
        }
        level
            .map(|row| {
                Ok(ProductDetail {
                    level: StockLevel::try_from(row)?,
                    vendors,
                })
            })
            .transpose()
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        const SQL: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE product_id = ANY($1) ORDER BY product_id";
        let product_ids = texts(product_ids.iter().map(ProductId::as_str));
        let found: Vec<StockRow> = self.load(SQL, vec![product_ids]).await?;
        let each = found.into_iter().map(StockLevel::try_from);
        self.unreadable().leave_out(each)
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        const ALL: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE product_id > $1 ORDER BY product_id LIMIT $2";
        const IN_STOCK: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE in_stock AND product_id > $1 ORDER BY product_id LIMIT $2";
        let sql = if in_stock { IN_STOCK } else { ALL };
        // A product id is never empty, so every id is greater than the empty text.
        let mut after = after.map(ProductId::into_string).unwrap_or_default();
        let mut levels = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(levels.len()).unwrap_or(u32::MAX));
            let binds = vec![Bind::Text(after), Bind::BigInt(i64::from(left))];
            let found: Vec<StockRow> = self.load(sql, binds).await?;
            let seen = found.len();
            let last = found.last().map(|row| row.product_id.clone());
            let each = found.into_iter().map(StockLevel::try_from);
            let readable = self.unreadable().leave_out(each)?;
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
struct LagRow {
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

#[async_trait]
impl StoreProbe for PgStore {
    fn unreadable_rows(&self) -> u64 {
        self.unreadable().count()
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        let rows: Vec<InstantRow> = self
            .load("SELECT clock_timestamp() AS instant", Vec::new())
            .await?;
        rows.first()
            .map(|row| from_pg(row.instant))
            .ok_or_else(|| StoreError::Failed("the server returned no time".into()))
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        const SQL: &str = "
SELECT greatest(0, (extract(epoch FROM clock_timestamp() - created_at) * 1000000)::bigint) AS micros
FROM outbox WHERE not_before IS NULL OR not_before <= clock_timestamp() ORDER BY id LIMIT 1";
        // A store in which commits hang cannot accept orders, even if reads succeed.
        self.check_commits()?;
        let oldest: Vec<LagRow> = self.load(SQL, Vec::new()).await?;
        Ok(OutboxLag {
            oldest: oldest
                .first()
                .map(|row| Duration::from_micros(row.micros.unsigned_abs())),
        })
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str =
            "SELECT count(*) AS entries FROM (SELECT FROM outbox LIMIT $1) AS counted";
        let binds = vec![Bind::BigInt(i64::from(at_most))];
        let counted: Vec<CountRow> = self.load(SQL, binds).await?;
        Ok(counted.first().map_or(0, |row| row.entries.unsigned_abs()))
    }

    async fn change_feed_lag(&self) -> Result<ChangeFeedLag, StoreError> {
        changes::lag(self).await
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
SELECT count(*) AS entries FROM (
    SELECT FROM dead_letters d JOIN orders o ON o.id = d.order_id WHERE o.status = 'PENDING' LIMIT $1
) AS counted";
        let binds = vec![Bind::BigInt(i64::from(at_most))];
        let counted: Vec<CountRow> = self.load(SQL, binds).await?;
        Ok(counted.first().map_or(0, |row| row.entries.unsigned_abs()))
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        const SQL: &str = "
SELECT NOT EXISTS (
    SELECT FROM unnest($1) AS i (vendor_id)
    WHERE NOT EXISTS (
        SELECT FROM vendor_syncs v WHERE v.vendor_id = i.vendor_id AND v.finished_at IS NOT NULL
    )
) AS flag";
        let ids = vendor_ids.iter().map(|id| id.as_str().to_owned()).collect();
        self.flag(SQL, vec![Bind::Texts(ids)]).await
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.read_pauses(vendor_ids).await
    }
}
