//! What a sequence is made of. Everything in it is symbolic: orders are named by the slot in which they were asked for,
//! moments by when they were remembered, so that a sequence means the same to every store and still means something
//! after operations were taken out of it.

use std::collections::BTreeMap;

use domain::order::OrderStatus;
use domain::ports::OtherVendors;
use domain::report::ReportKind;
use domain::services::QuarantineDecision;

/// Few, so that they meet often, and in byte order where a language's order would be another.
pub(super) const PRODUCTS: [&str; 4] = ["B", "a", "a-b", "ä"];

/// The same of vendors.
pub(super) const VENDORS: [&str; 3] = ["V", "u", "u-v"];

/// The names that requests are given, each as scope and key.
pub(super) const KEYS: [(&str, &str); 3] = [("", "k"), ("", "K"), ("other", "k")];

/// What batches ask for.
pub(super) const DIGESTS: [&str; 2] = ["one", "two"];

/// Which of [`PRODUCTS`].
pub(super) type Product = usize;

/// Which of [`VENDORS`].
pub(super) type Vendor = usize;

/// Names an order that was asked for, whether or not it was created, and by whichever transaction.
pub(super) type Slot = u32;

/// Names a moment that was remembered.
pub(super) type Moment = u32;

/// What a customer asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) product: Product,
    pub(super) units: u32,
    /// Which of [`KEYS`].
    pub(super) key: Option<usize>,
    /// If the key is a batch's, which of [`DIGESTS`].
    pub(super) batch: Option<usize>,
}

/// A span of which no store's speed decides what it means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    None,
    VeryLong,
}

/// A moment near a remembered one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shift {
    LongBefore,
    At,
    LongAfter,
}

/// What a report says.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) kind: ReportKind,
    pub(super) as_of: Option<(Moment, Shift)>,
    pub(super) lines: BTreeMap<Product, u32>,
}

/// One operation of a sequence.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Asks for the store's time and keeps it.
    Remember(Moment),
    /// Runs a use case; with a number, its unit of work is dropped after so many calls.
    Use(UseCase, Option<u32>),
    /// One unit of work by the repositories alone; without commit it is dropped.
    Work { steps: Vec<Step>, commit: bool },
    /// Reads.
    Read(Query),
    /// Asks for a lease and keeps it.
    Acquire(&'static str),
    /// Gives a lease back.
    GiveBack(&'static str),
}

/// The use cases of the domain.
#[derive(Debug, Clone)]
pub(super) enum UseCase {
    Configure(Vec<Vendor>, Configuring),
    /// Without a report the vendor failed to answer.
    Sync(Vendor, Option<Said>),
    /// Accepts or discards a report in quarantine.
    ResolveQuarantine(Vendor, QuarantineDecision),
    /// Enforces a setting `max_age` that all numbers exceed, or none.
    Expire(Vendor, bool),
    Place(Slot, Asked),
    /// Where rejections wait so long for vendors that were never tried.
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

/// How vendors become configured ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configuring {
    /// As a process does that has this set.
    Bring,
    /// On purpose, whether the set was superseded or not.
    Apply,
    /// As tools do.
    Add,
}

/// What a queue confirms of what is published.
#[derive(Debug, Clone, Copy)]
pub(super) enum Confirms {
    All,
    EverySecond,
    Fails,
}

/// One call of a unit of work, or a few that belong together.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The orders take the slots from the given one.
    Accept(Slot, Vec<Asked>),
    LockPending(Vec<Slot>),
    LockOrder(Slot),
    /// Locks, decides by the domain's `settle`, writes.
    Settle(Vec<Slot>),
    /// Writes a rejection, of whatever order.
    Reject(Slot),
    /// Locks, decides by the state machine, gives units back if need be, writes.
    Change(Slot, OrderStatus),
    /// The same for a vendor's part that is shipped.
    ShipPart(Slot, Vendor),
    LockStock(Vec<Product>),
    /// Writes what a vendor has of a product, of whatever vendor and product.
    Adjust {
        product: Product,
        vendor: Vendor,
        reported: u32,
        as_of: Moment,
    },
    Configure(Vec<Vendor>, OtherVendors),
    /// Whether each configured vendor was tried.
    FirstSyncs,
    EndFirstSync(Vendor),
    LockVendor(Vendor),
    Create(Vec<Product>),
    Reported(Vendor, Vec<Product>),
    /// Makes positions those of a report of this moment.
    Advance(Vendor, Vec<Product>, Moment),
    RepairShipments(Vendor),
    RecordFailure(Vendor),
    Claim(u32, Span),
    /// Removes the entries that were claimed of these orders.
    Remove(Vec<Slot>),
    Release(Vec<Slot>),
    Requeue(Span, u32),
    /// So many at a time until there is none left: which of them go first is not promised.
    ForgetKeys(Moment, Shift, u32),
    StoreTime,
    /// Reads from outside, which sees nothing of this unit of work.
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
