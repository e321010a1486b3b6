//! Reads outside of a transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::{FinishedSync, StoreError, StoredPause};
use crate::evidence::Proof;
use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::order::{Order, OrderStatus};
use crate::report_history::QuarantinedReport;
use crate::timestamp::Timestamp;

/// Selects the orders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only orders with this status.
    pub status: Option<OrderStatus>,
    /// Only orders of this product.
    pub product_id: Option<ProductId>,
}

/// Reads orders.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderQueries: Send + Sync {
    /// Returns the order with this id, with its allocations; MUST return `None` if there is none.
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// Returns those of the orders that exist, newest first. MUST NOT query each order separately. MUST leave out and count
    /// an order whose row cannot be read, here and in the methods below.
    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError>;

    /// Returns those of the orders that are no longer `PENDING`, newest first. MUST NOT query each order separately.
    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError>;

    /// Returns at most `limit` orders with ids below `before`, newest first. MUST return fewer only if there are no more.
    /// MUST take time proportional to `limit`, not to the number of orders, and MUST NOT query the allocations of each order
    /// separately.
    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError>;
}

/// The available quantity of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// The product.
    pub product_id: ProductId,
    /// The available quantity over all configured vendors, in units.
    pub quantity: u64,
    /// When the quantity last changed, by the store's clock.
    pub updated_at: Timestamp,
}

/// One vendor's stock of a product, for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorLevel {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The quantity that the vendor last reported, in units.
    pub reported: u32,
    /// Units sold here that no report includes yet.
    pub in_flight: u32,
    /// Available units; 0 if the vendor is no longer configured.
    pub available: u32,
    /// The as-of of the last report that named the product.
    pub as_of: Timestamp,
}

/// A product with the stock of its vendors, by vendor id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDetail {
    /// The total over all vendors.
    pub level: StockLevel,
    /// The stock of each vendor, read in the same snapshot.
    pub vendors: Vec<VendorLevel>,
}

/// Reads stock.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StockQueries: Send + Sync {
    /// Returns one product with the stock of its vendors, or `None` if the product is unknown. MUST read both in one
    /// consistent snapshot.
    async fn find_stock(&self, product_id: &ProductId)
    -> Result<Option<ProductDetail>, StoreError>;

    /// Returns those of the products that are known, in byte order. MUST NOT query each product separately.
    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError>;

    /// Returns at most `limit` products with ids after `after`, in byte order; with `in_stock` only those whose quantity is
    /// above 0. MUST take time proportional to `limit`, not to the number of products.
    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError>;
}

/// The status of a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorStatus {
    /// The vendor.
    pub vendor_id: VendorId,
    /// Number of products that the vendor ever reported, including those that it has no units of now.
    pub products: u64,
    /// The result of the last sync; `None` before the first one has ended.
    pub last_sync: Option<FinishedSync>,
    /// The proof of the last applied report; `None` before the first.
    pub proof: Option<Proof>,
    /// The age of the proven as-of, by the store's clock; `None` if nothing is proven.
    pub age: Option<Duration>,
    /// The vendor's clock minus the store's at the last response, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// Whether any of the vendor's stock rows is marked as older than its setting `max_age` allows.
    pub is_expired: bool,
    /// The report in quarantine, whatever the result of the last sync; `None` if there is none.
    pub quarantined: Option<QuarantinedReport>,
}

/// Reads vendors.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorQueries: Send + Sync {
    /// Returns the status of those of the vendors that were ever configured, by id. MUST leave out the others.
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError>;
}

/// The lag of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLag {
    /// The age of the oldest entry that is not postponed; `None` if there is none.
    pub oldest: Option<Duration>,
}

/// The lag of the change feed behind the committed transactions: see [`ChangesRead::Next`](super::ChangesRead::Next).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeFeedLag {
    /// The age of the oldest committed entry that cannot be read yet; `None` if all can.
    pub held_back: Option<Duration>,
    /// The age of the oldest open transaction that holds entries back or could, in any database of the server; `None` if
    /// there is none, or if the store is not permitted to see it.
    pub oldest_transaction: Option<Duration>,
}

/// Reads the store's health, clock and lags.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StoreProbe: Send + Sync {
    /// Returns the store's own clock. MUST query the store.
    async fn store_time(&self) -> Result<Timestamp, StoreError>;

    /// Returns the lag of the outbox. MUST be cheap, independent of the length of the outbox.
    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError>;

    /// Returns the number of entries in the outbox, claimed or not, counted up to `at_most`. MUST take time proportional to
    /// `at_most` at most.
    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError>;

    /// Returns the lag of the change feed. MUST be cheap. A store that commits one transaction at a time never holds entries
    /// back, and need not implement this method.
    async fn change_feed_lag(&self) -> Result<ChangeFeedLag, StoreError> {
        Ok(ChangeFeedLag::default())
    }

    /// Returns the number of orders that settlement gave up and that are still `PENDING`, counted up to `at_most`. MUST take
    /// time proportional to the number of dead letters at most.
    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError>;

    /// Returns the number of times that this store left out an unreadable row since it was opened. MUST NOT query the store.
    fn unreadable_rows(&self) -> u64;

    /// Returns the total time that callers waited for a connection since this store was opened, including the time to open
    /// connections. MUST NOT query the store. A store without a pool of connections need not implement this method.
    fn connection_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether each of the vendors was tried at least once; MUST count every outcome of a sync, also `NotReady`.
    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError>;

    /// Returns the pauses of those of the vendors whose last sync failed or that an operator has paused, by vendor id. MUST read all of them with the same
    /// value of the store's clock.
    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError>;
}
