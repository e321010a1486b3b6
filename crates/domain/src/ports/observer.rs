//! Whoever counts what the use cases do.

use std::time::Duration;

use super::{Backlog, SyncOutcome};
use crate::identifiers::VendorId;
use crate::settlement::SettledBatch;

/// Is told what was done, once it is committed. MUST return at once, and nothing depends on it: what is told is told to
/// people, and is not kept.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Observer: Send + Sync {
    /// So many new orders were accepted.
    fn accepted(&self, orders: usize);

    /// These orders were settled in one transaction, which took so long.
    fn settled(&self, batch: &SettledBatch, took: Duration);

    /// Orders were given up that had no dead letter before.
    fn dead_lettered(&self, orders: usize);

    /// What the queue held a moment ago.
    fn backlog(&self, backlog: &Backlog);

    /// Orders that were put back into the outbox for a later attempt: rows that they need are locked, or they would be
    /// rejected while a vendor was never tried.
    fn postponed(&self, orders: usize);

    /// Of the orders in the outbox so many were handed to the queue, and so many were not and will be tried again.
    fn relayed(&self, confirmed: usize, unconfirmed: usize);

    /// The number of vendors of the current set that no running worker can read, as far as this process knows: one that does
    /// not sync reports 0.
    fn unreadable_vendors(&self, vendors: usize) {
        let _ = vendors;
    }

    /// A vendor was synced.
    fn synced(&self, vendor_id: &VendorId, outcome: SyncOutcome, took: Duration);

    /// Instants stored for a vendor were later than the store's clock, and were repaired.
    fn repaired_as_of(&self, vendor_id: &VendorId);
}

/// Nobody counts.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

impl Observer for NoopObserver {
    fn accepted(&self, _orders: usize) {}

    fn settled(&self, _batch: &SettledBatch, _took: Duration) {}

    fn dead_lettered(&self, _orders: usize) {}

    fn backlog(&self, _backlog: &Backlog) {}

    fn postponed(&self, _orders: usize) {}

    fn relayed(&self, _confirmed: usize, _unconfirmed: usize) {}

    fn synced(&self, _vendor_id: &VendorId, _outcome: SyncOutcome, _took: Duration) {}

    fn repaired_as_of(&self, _vendor_id: &VendorId) {}
}
