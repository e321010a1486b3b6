//! Queries outside a transaction.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderStatus};
use domain::ports::{
    ChangeFeedLag, OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries,
    StoreError, StoreProbe, StoredPause,
};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, FlagRow, NumberRow, OrderRow, Statement, readable_page};

use crate::changes;
use crate::store::PgStore;
use crate::unit_of_work::STORE_TIME;

impl PgStore {
    pub(crate) async fn load<R>(
        &self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        let statement = Statement::new(sql, binds);
        let mut spares = self.spares();
        loop {
            let mut checkout = self.checkout().await?;
            match checkout.load(&statement).await {
                // Reads can be retried.
                Err(_) if spares > 0 && checkout.is_stale() => spares -= 1,
                result => return result,
            }
        }
    }

    /// Reads the readable ones of the orders.
    async fn orders(&self, sql: &'static str, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let found = storage_sql::each_order(self.load(sql, vec![ids.into()]).await?);
        let each = found.into_iter().map(|(_, order)| order);
        self.unreadable().leave_out(each)
    }

    async fn count(&self, sql: &'static str, at_most: u32) -> Result<u64, StoreError> {
        let counted: Vec<NumberRow> = self.load(sql, vec![at_most.into()]).await?;
        Ok(storage_sql::count(&counted))
    }
}

/// Selects a page of orders, newest first, each with its allocations by vendor. Two statements could see different
/// states: an order that is settled in between would have allocations but not yet its new status.
macro_rules! order_page {
    ($where:literal) => {
        concat!(
            "SELECT ",
            storage_sql::order_columns!(),
            "
FROM (SELECT * FROM orders WHERE ",
            $where,
            ") o",
            order_allocations!()
        )
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
        let found = self.load(SQL, vec![id.into()]).await?;
        Ok(storage_sql::orders(found)?.pop())
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        const SQL: &str = order_page!("id = ANY($1)");
        self.orders(SQL, ids).await
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        const SQL: &str = order_page!("id = ANY($1) AND status <> 'PENDING'");
        self.orders(SQL, ids).await
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        readable_page(
            self.unreadable(),
            before,
            limit,
            |before, left| async move {
                let page = self.order_page(filter, before, left).await?;
                Ok(storage_sql::each_order(page))
            },
        )
        .await
    }
}

impl PgStore {
    async fn order_page(
        &self,
        filter: &OrderFilter,
        before: i64,
        limit: u32,
    ) -> Result<Vec<OrderRow>, StoreError> {
        // One statement per filter, so that each is planned for the matching index.
        const ALL: &str = order_page!("id < $1 ORDER BY id DESC LIMIT $2");
        const BY_STATUS: &str = order_page!("status = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
        // Merges one index range per status; the first rows of the merge are the page.
        const BY_PRODUCT: &str = concat!(
            "SELECT ",
            storage_sql::order_columns!(),
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

        let status = filter.status.map(|status| Bind::from(status.as_str()));
        let product = filter.product_id.as_ref().map(Bind::from);
        let (before, limit) = (Bind::from(before), Bind::from(limit));
        let (sql, binds) = match (status, product) {
            (None, None) => (ALL, vec![before, limit]),
            (Some(status), None) => (BY_STATUS, vec![status, before, limit]),
            (None, Some(product)) => {
                let statuses = Bind::texts(OrderStatus::ALL.iter().map(|status| status.as_str()));
                let binds = vec![statuses, product, before, limit.clone(), limit];
                (BY_PRODUCT, binds)
            }
            (Some(status), Some(product)) => (BY_BOTH, vec![status, product, before, limit]),
        };
        self.load(sql, binds).await
    }
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
       v.configured, p.is_expired, greatest(p.as_of, v.full_as_of) AS as_of
FROM stock s
LEFT JOIN vendor_stock p USING (product_id)
LEFT JOIN vendor_syncs v USING (vendor_id)
WHERE s.product_id = $1 ORDER BY p.vendor_id";
        storage_sql::product_detail(self.load(SQL, vec![product_id.into()]).await?)
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        const SQL: &str = "
SELECT product_id, quantity, updated_at FROM stock
WHERE product_id = ANY($1) ORDER BY product_id";
        let found = storage_sql::each_level(self.load(SQL, vec![product_ids.into()]).await?);
        self.unreadable().leave_out(found.map(|(_, level)| level))
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
        let after = storage_sql::page_start(after);
        readable_page(self.unreadable(), after, limit, |after, left| async move {
            let binds = vec![after.as_str().into(), left.into()];
            Ok(storage_sql::each_level(self.load(sql, binds).await?).collect())
        })
        .await
    }
}

#[async_trait]
impl StoreProbe for PgStore {
    fn unreadable_rows(&self) -> u64 {
        self.unreadable().count()
    }

    fn connection_wait(&self) -> Duration {
        self.waited()
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        storage_sql::instant(self.load(STORE_TIME, Vec::new()).await?)
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        const SQL: &str = "
SELECT greatest(0, (extract(epoch FROM clock_timestamp() - created_at) * 1000000)::bigint) AS number
FROM outbox WHERE not_before IS NULL OR not_before <= clock_timestamp() ORDER BY id LIMIT 1";
        // A store in which commits hang cannot accept orders, even if reads succeed.
        self.check_commits()?;
        let oldest: Vec<NumberRow> = self.load(SQL, Vec::new()).await?;
        let age = |row: &NumberRow| Duration::from_micros(row.number.unsigned_abs());
        Ok(OutboxLag {
            oldest: oldest.first().map(age),
        })
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT count(*) AS number FROM (SELECT FROM outbox LIMIT $1) AS counted";
        self.count(SQL, at_most).await
    }

    async fn change_feed_lag(&self) -> Result<ChangeFeedLag, StoreError> {
        changes::lag(self).await
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
SELECT count(*) AS number FROM (
    SELECT FROM dead_letters d JOIN orders o ON o.id = d.order_id WHERE o.status = 'PENDING' LIMIT $1
) AS counted";
        self.count(SQL, at_most).await
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        const SQL: &str = "
SELECT NOT EXISTS (
    SELECT FROM unnest($1) AS i (vendor_id)
    WHERE NOT EXISTS (
        SELECT FROM vendor_syncs v WHERE v.vendor_id = i.vendor_id AND v.finished_at IS NOT NULL
    )
) AS flag";
        let tried: Vec<FlagRow> = self.load(SQL, vec![vendor_ids.into()]).await?;
        Ok(storage_sql::flag(&tried))
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.read_pauses(vendor_ids).await
    }
}
