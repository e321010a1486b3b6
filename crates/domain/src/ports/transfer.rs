//! Moving a whole deployment from one store to another, record by record.
//!
//! A record is a row with all that hangs on it, in values that every store has. Moved are vendors with their last sync,
//! stock with the positions of its vendors, orders with their allocations and keys. The outbox is not: an order that is
//! `PENDING` where it arrives is put into the outbox there.

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
    /// Which.
    pub vendor_id: VendorId,
    /// Whether it is sold from.
    pub configured: bool,
    /// The as-of of the last report that was applied.
    pub applied_as_of: Option<Timestamp>,
    /// The as-of of the last full one among them.
    pub full_as_of: Option<Timestamp>,
    /// When the last sync ended, and how.
    pub last_sync: Option<(Timestamp, SyncRecord)>,
}

/// A vendor's position in a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRecord {
    /// Whose.
    pub vendor_id: VendorId,
    /// What the vendor last reported, in units.
    pub reported: u32,
    /// Sold and not known to that report, in units.
    pub in_flight: u32,
    /// The as-of of the report that last changed this position.
    pub as_of: Timestamp,
    /// Whether the vendor's numbers are older than its setting `max_age` allows.
    pub is_expired: bool,
}

/// A product with the positions of its vendors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRecord {
    /// Which.
    pub product_id: ProductId,
    /// What can be sold, in units.
    pub quantity: u64,
    /// When that last changed.
    pub updated_at: Timestamp,
    /// By vendor id.
    pub positions: Vec<PositionRecord>,
}

/// Units that a vendor supplies, and how far they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRecord {
    /// Which vendor.
    pub vendor_id: VendorId,
    /// How many.
    pub quantity: Quantity,
    /// When they left, if they did.
    pub shipped_at: Option<Timestamp>,
    /// The as-of of the first report that knew of it, if one does.
    pub known_as_of: Option<Timestamp>,
}

/// An order with its allocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Which.
    pub id: OrderId,
    /// What was ordered.
    pub request: OrderRequest,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was rejected, if it was.
    pub reason: Option<RejectReason>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// By vendor id.
    pub allocations: Vec<AllocationRecord>,
}

/// An idempotency key that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Which.
    pub key: IdempotencyKey,
    /// The order that it stands for.
    pub order_id: OrderId,
    /// When it was first used.
    pub created_at: Timestamp,
    /// What the batch asks for whose key it is, if it is one's.
    pub batch: Option<BatchDigest>,
}

/// One record of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferRecord {
    /// A vendor.
    Vendor(VendorRecord),
    /// A product.
    Product(ProductRecord),
    /// An order.
    Order(OrderRecord),
    /// A key.
    Key(KeyRecord),
}

/// Where a reader is: each kind of record is read by its key, after the last one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferCursor {
    /// Among the vendors.
    Vendors(Option<VendorId>),
    /// Among the products.
    Products(Option<ProductId>),
    /// Among the orders.
    Orders(Option<OrderId>),
    /// Among the keys.
    Keys(Option<IdempotencyKey>),
    /// Everything was read.
    End,
}

impl TransferCursor {
    /// Before the first record.
    pub const START: Self = Self::Vendors(None);

    /// After a page that ended with this record; after an empty page comes the next kind.
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

/// Reads a store whole.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferSource: Send + Sync {
    /// Begins to read everything as it is at one moment. MUST NOT be disturbed by what is committed meanwhile.
    async fn read_all(&self) -> Result<Box<dyn TransferReader>, StoreError>;
}

/// Everything in a store, in parts.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferReader: Send {
    /// The next records, at most `limit`, at least 1; none at the end. MUST give vendors by id, then products by id, then
    /// orders by id, then keys by scope and key, so that whatever a record refers to came before it, and equal stores read equal.
    async fn next(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError>;
}

/// Why a store does not take a transfer.
#[derive(Debug, Error)]
pub enum TransferError {
    /// It holds orders or stock that are not of this transfer.
    #[error("the store already holds orders or stock that are not of this transfer")]
    NotEmpty,
    /// Programs use it, which would sell from half of what is to come.
    #[error("{0} programs of the aggregator use the store: stop them first")]
    InUse(u64),
    /// Somebody else carried the transfer on meanwhile.
    #[error(
        "another run has carried this transfer on: {found} records are there, {expected} were expected"
    )]
    Overtaken {
        /// How many records were there according to the caller.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// So many of its records are in the store.
    pub records: u64,
    /// Whether it was finished.
    pub finished: bool,
}

/// Takes the records of a transfer, in the order in which a [`TransferReader`] gives them.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TransferTarget: Send + Sync {
    /// Begins the transfer of this name, or tells how far an earlier run came. MUST refuse a store that holds anything
    /// else, or that is in use.
    async fn resume(&self, name: &str) -> Result<TransferProgress, TransferError>;

    /// Writes the records after the first `done`, and how many there are then, in one transaction. MUST refuse to do so if
    /// another number of records is there.
    async fn append(
        &self,
        name: &str,
        done: u64,
        records: Vec<TransferRecord>,
    ) -> Result<(), TransferError>;

    /// Makes the store ready for use.
    async fn finish(&self, name: &str) -> Result<(), TransferError>;
}
