//! The operations of a sequence. They are symbolic: an order is named by the slot of its request, and a timestamp by the
//! operation that recorded it. So a sequence means the same to every store, and stays valid when shrinking removes
//! operations from it.

use std::collections::BTreeMap;

use domain::order::OrderStatus;
use domain::ports::OtherVendors;
use domain::report::ReportKind;
use domain::services::QuarantineDecision;

/// Few products, so that operations share them. Their byte order differs from the order of a natural language.
pub(super) const PRODUCTS: [&str; 4] = ["B", "a", "a-b", "ä"];

/// Few vendors, for the same reasons.
pub(super) const VENDORS: [&str; 3] = ["V", "u", "u-v"];

/// Idempotency keys of requests, each as scope and key.
pub(super) const KEYS: [(&str, &str); 3] = [("", "k"), ("", "K"), ("other", "k")];

/// Digests of batches.
pub(super) const DIGESTS: [&str; 2] = ["one", "two"];

/// Index in [`PRODUCTS`].
pub(super) type Product = usize;

/// Index in [`VENDORS`].
pub(super) type Vendor = usize;

/// Names an order that was requested, whether or not it was created.
pub(super) type Slot = u32;

/// Names a recorded timestamp.
pub(super) type InstantName = u32;

/// A customer's request for an order.
#[derive(Debug, Clone)]
pub(super) struct OrderSpec {
    pub(super) product: Product,
    pub(super) units: u32,
    /// Index in [`KEYS`].
    pub(super) key: Option<usize>,
    /// Index in [`DIGESTS`] if the key belongs to a batch.
    pub(super) batch: Option<usize>,
}

/// A duration whose effect does not depend on the speed of a store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    None,
    VeryLong,
}

/// Distance from a recorded timestamp.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shift {
    LongBefore,
    At,
    LongAfter,
}

/// The content of a report.
#[derive(Debug, Clone)]
pub(super) struct ReportSpec {
    pub(super) kind: ReportKind,
    pub(super) as_of: Option<(InstantName, Shift)>,
    pub(super) lines: BTreeMap<Product, u32>,
}

/// One operation of a sequence.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Reads the store's clock and records the timestamp.
    RecordTime(InstantName),
    /// Runs a use case. With a number, its unit of work is dropped after that number of calls.
    Use(UseCase, Option<u32>),
    /// Runs one unit of work of single repository calls; without `commit` it is dropped.
    Work { steps: Vec<Step>, commit: bool },
    /// Reads outside a transaction.
    Read(Query),
    /// Acquires a lease and keeps it.
    AcquireLease(&'static str),
    /// Releases a lease.
    ReleaseLease(&'static str),
}

/// The use cases of the domain.
#[derive(Debug, Clone)]
pub(super) enum UseCase {
    Configure(Vec<Vendor>, Configuring),
    /// Syncs a vendor; without a report the feed fails.
    Sync(Vendor, Option<ReportSpec>),
    /// Accepts or discards a report in quarantine.
    ResolveQuarantine(Vendor, QuarantineDecision),
    /// Enforces a `max_age` that all stock exceeds, or no limit.
    Expire(Vendor, bool),
    Place(Slot, OrderSpec),
    /// Settles orders with this first-sync grace.
    Settle(Vec<Slot>, Span),
    Change(Slot, OrderStatus),
    /// Marks a vendor's part of an order as shipped.
    ShipPart(Slot, Vendor),
    Relay {
        batch: u32,
        lease: Span,
        confirms: Confirms,
    },
    Sweep {
        pending_for: Span,
        room: u32,
        key_retention: Span,
    },
}

/// The ways to configure vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configuring {
    /// Applies the set if it is new, as a process does at its start.
    ApplyIfNew,
    /// Applies the set, even if it was superseded.
    Apply,
    /// Adds vendors to the current set, as tools do.
    Add,
}

/// The published orders that a queue confirms.
#[derive(Debug, Clone, Copy)]
pub(super) enum Confirms {
    All,
    EverySecond,
    Fails,
}

/// One call of a unit of work, or a few that belong together.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Accepts orders, which are bound to consecutive slots from the given one.
    Accept(Slot, Vec<OrderSpec>),
    LockPending(Vec<Slot>),
    LockOrder(Slot),
    /// Locks, decides with the domain's `settle`, and writes.
    Settle(Vec<Slot>),
    /// Writes a rejection of any order.
    Reject(Slot),
    /// Locks, decides with the state machine, releases units if necessary, and writes.
    Change(Slot, OrderStatus),
    /// Ships a vendor's part of an order, in the same way.
    ShipPart(Slot, Vendor),
    LockStock(Vec<Product>),
    /// Writes the stock of any vendor and product.
    Adjust {
        product: Product,
        vendor: Vendor,
        reported: u32,
        as_of: InstantName,
    },
    Configure(Vec<Vendor>, OtherVendors),
    /// Reads whether each configured vendor was tried.
    FirstSyncs,
    EndFirstSync(Vendor),
    LockVendor(Vendor),
    Create(Vec<Product>),
    Reported(Vendor, Vec<Product>),
    /// Sets the as-of of vendor stock to this timestamp.
    Advance(Vendor, Vec<Product>, InstantName),
    RepairShipments(Vendor),
    RecordFailure(Vendor),
    Claim(u32, Span),
    /// Removes the claimed entries of these orders.
    Remove(Vec<Slot>),
    Release(Vec<Slot>),
    Requeue(Span, u32),
    /// Prunes this number of keys at a time until none is left: which keys are pruned first is not guaranteed.
    PruneKeys(InstantName, Shift, u32),
    StoreTime,
    /// Reads from outside, where the writes of this unit of work are not visible.
    Read(Query),
}

/// Reads outside a transaction.
#[derive(Debug, Clone)]
pub(super) enum Query {
    Order(Slot),
    Orders {
        status: Option<OrderStatus>,
        product: Option<Product>,
        before: Option<Slot>,
        limit: u32,
    },
    Stock(Product),
    StockList {
        after: Option<Product>,
        in_stock: bool,
        limit: u32,
    },
    OutboxLag,
    WereTried(Vec<Vendor>),
}
