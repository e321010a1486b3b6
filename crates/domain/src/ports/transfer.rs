//! Transfer of a whole deployment from one store to another, record by record.
//!
//! A record is a row with its dependent rows, in values that every store has. The transfer covers vendors with their last
//! sync, stock with the stock of each vendor, orders with their allocations, and idempotency keys. It does not cover the
//! outbox: an order that is `PENDING` in the target is put into the target's outbox.

use async_trait::async_trait;
use thiserror::Error;

use super::{StoreError, SyncRecord};
use crate::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId, VendorId};
use crate::order::{OrderRequest, OrderStatus, RejectReason};
use crate::quantity::Quantity;
use crate::timestamp::Timestamp;

/// A vendor that was ever configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorRecord {
    /// The vendor.
    pub vendor_id: VendorId,
    /// Whether the vendor is configured.
    pub configured: bool,
    /// The as-of of the last applied report.
    pub applied_as_of: Option<Timestamp>,
    /// The as-of of the last applied full report.
    pub full_as_of: Option<Timestamp>,
    /// The end and the result of the last sync.
    pub last_sync: Option<(Timestamp, SyncRecord)>,
}

/// A vendor's stock of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorStockRecord {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The quantity that the vendor last reported, in units.
    pub reported: u32,
    /// Units sold that no report includes yet.
    pub in_flight: u32,
    /// The as-of of the report that last changed this row.
    pub as_of: Timestamp,
    /// Whether the vendor's numbers are older than its setting `max_age` allows.
    pub is_expired: bool,
}

/// A product with the stock of its vendors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRecord {
    /// The product.
    pub product_id: ProductId,
    /// The available quantity, in units.
    pub quantity: u64,
    /// When the quantity last changed.
    pub updated_at: Timestamp,
    /// The stock of each vendor, by vendor id.
    pub positions: Vec<VendorStockRecord>,
}

/// Units of an order that a vendor supplies, with their shipping state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRecord {
    /// The vendor.
    pub vendor_id: VendorId,
    /// Number of units.
    pub quantity: Quantity,
    /// When the units were shipped; `None` if they were not.
    pub shipped_at: Option<Timestamp>,
    /// The as-of of the first report that includes the shipment; `None` if no report does.
    pub known_as_of: Option<Timestamp>,
}

/// An order with its allocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// The order.
    pub id: OrderId,
    /// The ordered product and quantity.
    pub request: OrderRequest,
    /// The status.
    pub status: OrderStatus,
    /// The reason of a rejection.
    pub reason: Option<RejectReason>,
    /// When the order was accepted.
    pub created_at: Timestamp,
    /// When the state last changed.
    pub updated_at: Timestamp,
    /// The allocations, by vendor id.
    pub allocations: Vec<AllocationRecord>,
}

/// A stored idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: IdempotencyKey,
    /// The order that was created with the key.
    pub order_id: OrderId,
    /// When the key was first used.
    pub created_at: Timestamp,
    /// The digest of the batch, if the key is the key of a batch.
    pub batch: Option<BatchDigest>,
}

/// A record of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferRecord {
    /// A vendor.
    Vendor(VendorRecord),
    /// A product.
    Product(ProductRecord),
    /// An order.
    Order(OrderRecord),
    /// An idempotency key.
    Key(KeyRecord),
}

/// The progress of a reader: each kind of record is read by its key, after the last record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferCursor {
    /// Within the vendors.
    Vendors(Option<VendorId>),
    /// Within the products.
    Products(Option<ProductId>),
    /// Within the orders.
    Orders(Option<OrderId>),
    /// Within the keys.
    Keys(Option<IdempotencyKey>),
    /// All records were read.
    End,
}

impl TransferCursor {
    /// Before the first record.
    pub const START: Self = Self::Vendors(None);

    /// The cursor after a page that ended with this record; an empty page ends the current kind of records.
    #[must_use]
    pub fn after(&self, last: Option<&TransferRecord>) -> Self {
        match (last, self) {
            (Some(TransferRecord::Vendor(record)), _) => {
                Self::Vendors(Some(record.vendor_id.clone()))
            }
            (Some(TransferRecord::Product(record)), _) => {
                Self::Products(Some(record.product_id.clone()))
            }
            (Some(TransferRecord::Order(record)), _) => Self::Orders(Some(record.id)),
            (Some(TransferRecord::Key(record)), _) => Self::Keys(Some(record.key.clone())),
            (None, Self::Vendors(_)) => Self::Products(None),
            (None, Self::Products(_)) => Self::Orders(None),
            (None, Self::Orders(_)) => Self::Keys(None),
            (None, Self::Keys(_) | Self::End) => Self::End,
        }
    }
}

/// Reads the complete content of a store.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferSource: Send + Sync {
    /// Begins to read all records in one consistent snapshot. MUST NOT be affected by concurrent commits.
    async fn read_all(&self) -> Result<Box<dyn TransferReader>, StoreError>;
}

/// Reads the records of a store in pages.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferReader: Send {
    /// Returns the next records, at least 1 and at most `limit`; an empty list at the end. MUST return vendors by id, then
    /// products by id, then orders by id, then keys by scope and key, so that each record follows the records that it
    /// references, and equal stores yield equal sequences.
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError>;
}

/// The reason why a store refuses a transfer.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The store contains orders or stock that are not of this transfer.
    #[error("the store already contains orders or stock that are not of this transfer")]
    NotEmpty,
    /// Programs use the store, and would sell from incomplete stock.
    #[error("{0} programs of the aggregator use the store: stop them first")]
    InUse(u64),
    /// Another process continued the transfer concurrently.
    #[error("another run has continued this transfer: expected {expected} records, found {found}")]
    Overtaken {
        /// Number of records that the caller expected.
        expected: u64,
        /// Number of records that the store contains.
        found: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// Number of its records that the store contains.
    pub records: u64,
    /// Whether the transfer is finished.
    pub finished: bool,
}

/// Writes the records of a transfer, in the order in which a [`TransferReader`] returns them.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferTarget: Send + Sync {
    /// Begins the transfer with this name, or returns the progress of an earlier run. MUST refuse a store with other
    /// content, or one that is in use.
    async fn resume(&self, name: &str) -> Result<TransferProgress, TransferError>;

    /// Writes the records that follow the first `done`, and the new number of records, in one transaction. MUST fail if the
    /// store contains another number of records than `done`.
    async fn append(
        &self,
        name: &str,
        done: u64,
        records: Vec<TransferRecord>,
    ) -> Result<(), TransferError>;

    /// Makes the store ready for use. MUST succeed if the transfer is already finished.
    async fn finish(&self, name: &str) -> Result<(), TransferError>;
}
