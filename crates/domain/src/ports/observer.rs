//! The observer of the use cases, for metrics.

use std::time::Duration;

use super::{Backlog, SyncOutcome};
use crate::identifiers::VendorId;
use crate::settlement::SettledBatch;

/// Receives events of the use cases after they are committed. MUST NOT block. No use case depends on an event: they are for
/// monitoring and are not stored. An event without an implementation is ignored.
#[allow(unused_variables, reason = "the parameters of ignored events")]
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Observer: Send + Sync {
    /// `orders` new orders were accepted. MUST return immediately.
    fn accepted(&self, orders: usize) {}

    /// The orders of `batch` were settled in one transaction that took `took`. MUST return immediately.
    fn settled(&self, batch: &SettledBatch, took: Duration) {}

    /// `orders` orders were given up that had no dead letter before. MUST return immediately.
    fn dead_lettered(&self, orders: usize) {}

    /// The queue's backlog as it was last read. MUST return immediately.
    fn backlog(&self, backlog: &Backlog) {}

    /// `orders` orders were requeued with a delay: rows that they need are locked, or they would be rejected while a
    /// configured vendor was never tried. MUST return immediately.
    fn postponed(&self, orders: usize) {}

    /// The relay published orders from the outbox: the queue confirmed `confirmed` of them, and `unconfirmed` will be
    /// published again. MUST return immediately.
    fn relayed(&self, confirmed: usize, unconfirmed: usize) {}

    /// The number of vendors of the current set that no running worker can read, as far as this process knows; a process
    /// that does not sync reports 0. MUST return immediately.
    fn unreadable_vendors(&self, vendors: usize) {}

    /// A sync of the vendor ended with `outcome` after `took`. MUST return immediately.
    fn synced(&self, vendor_id: &VendorId, outcome: SyncOutcome, took: Duration) {}

    /// Instants stored for a vendor were later than the store's clock, and were repaired. MUST return immediately.
    fn repaired_as_of(&self, vendor_id: &VendorId) {}
}

/// An observer that ignores all events.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

impl Observer for NoopObserver {}
