//! Reads outside a transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::{FinishedSync, StoreError, StoredPause};
use crate::evidence::Proof;
use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::order::{Order, OrderStatus};
use crate::timestamp::Timestamp;

/// Which orders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only with this status.
    pub status: Option<OrderStatus>,
    /// Only of this product.
    pub product_id: Option<ProductId>,
}

/// Reads orders.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderQueries: Send + Sync {
    /// One order.
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// Those of the orders that there are, newest first. MUST read all of them at once, with their allocations. An order
    /// whose row cannot be read MUST be left out and counted, here and in the calls below.
    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError>;

    /// Those of the orders that are no longer `PENDING`, newest first. MUST read all of them at once.
    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError>;

    /// At most `limit` orders with ids below `before`, newest first; fewer only if there are no more. MUST take time by `limit`, not by how many orders
    /// there are, and read the allocations of all of them at once.
    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError>;
}

/// What can be sold of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// Which product.
    pub product_id: ProductId,
    /// Over all configured vendors, in units.
    pub quantity: u64,
    /// When the quantity last changed, by the store's clock.
    pub updated_at: Timestamp,
}

/// A vendor's position in a product, for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorLevel {
    /// Whose.
    pub vendor_id: VendorId,
    /// What the vendor last reported, in units.
    pub reported: u32,
    /// Sold here and not known to that report, in units.
    pub in_flight: u32,
    /// What of it can be sold, in units: nothing if the vendor is no longer configured.
    pub available: u32,
    /// The as-of of the last report that spoke of the product.
    pub as_of: Timestamp,
}

/// A product with its vendors, by vendor id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDetail {
    /// The sum.
    pub level: StockLevel,
    /// The parts, as of the same moment.
    pub vendors: Vec<VendorLevel>,
}

/// Reads stock.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StockQueries: Send + Sync {
    /// One product with its vendors, both read at one moment.
    async fn find_stock(&self, product_id: &ProductId)
    -> Result<Option<ProductDetail>, StoreError>;

    /// Those of the products that are known, in byte order. MUST read all of them at once.
    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError>;

    /// At most `limit` products with ids after `after`, in byte order; with `in_stock` only those that can be sold. MUST
    /// take time by `limit`, not by how many products there are.
    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError>;
}

/// What is known of a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorStatus {
    /// Which.
    pub vendor_id: VendorId,
    /// Products that it ever reported, also those of which it has none now.
    pub products: u64,
    /// Its last sync; none before the first has ended.
    pub last_sync: Option<FinishedSync>,
    /// What the last report proved that was applied; none before the first.
    pub proof: Option<Proof>,
    /// The age of what is proven, by the store's clock; none if nothing is.
    pub age: Option<Duration>,
    /// The vendor's clock less the store's at the last response, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// Whether any of its positions is marked as older than the setting `max_age` allows.
    pub is_expired: bool,
}

/// Reads vendors.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorQueries: Send + Sync {
    /// Those of the vendors that were ever configured, by id.
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError>;
}

/// How far the outbox is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLag {
    /// The age of its oldest entry, not counting postponed ones; none if there is none.
    pub oldest: Option<Duration>,
}

/// How far the change feed is behind what is committed: see [`ChangesRead::Next`](super::ChangesRead::Next).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeFeedLag {
    /// The age of the oldest committed entry that cannot be read yet; none if all can.
    pub held_back: Option<Duration>,
    /// The age of the oldest open transaction that holds entries back or would, of whichever database of the server; none if
    /// there is none, or the store may not see it.
    pub oldest_transaction: Option<Duration>,
}

/// Looks whether the store lives, and how it does.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StoreProbe: Send + Sync {
    /// The store's own clock.
    async fn store_time(&self) -> Result<Timestamp, StoreError>;

    /// How far the outbox is behind. MUST be cheap, however long the outbox is.
    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError>;

    /// How many entries the outbox holds, claimed or not, counted up to `at_most`. MUST take time by `at_most`.
    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError>;

    /// How far the change feed is held back. MUST be cheap. A store in which transactions commit one at a time holds nothing
    /// back, and need not implement this.
    async fn change_feed_lag(&self) -> Result<ChangeFeedLag, StoreError> {
        Ok(ChangeFeedLag::default())
    }

    /// How many orders that settlement gave up are still `PENDING`, counted up to `at_most`. MUST take time by the number
    /// of dead letters at most.
    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError>;

    /// How often a row that cannot be read was left out by this store since it was opened.
    fn unreadable_rows(&self) -> u64;

    /// Whether each of the vendors was tried at least once, with whatever result.
    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError>;

    /// The pauses of those of the vendors whose last sync failed, by vendor id.
    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError>;
}
