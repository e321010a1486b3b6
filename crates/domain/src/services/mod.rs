//! The use cases. Each reads like the order flow: begin, lock, decide, save, commit. Only the store is called inside a
//! transaction.

#[cfg(test)]
mod failures;
mod held_rows;
mod order_batcher;
mod relay;
#[cfg(test)]
mod scripted;
mod settlement;
mod stage_trace;
mod status;
mod stock_locks;
mod sweeper;
mod vendor_expiry;
mod vendor_pause;
mod vendor_rename;
mod vendor_set;
mod vendor_sync;

pub use order_batcher::{
    BatchWriter, NewBatch, OrderBatcher, OrderBatcherSettings, PlaceOrderError, PlacedBatch,
    PlacedOrder,
};
pub use relay::{Relay, RelayError, RelaySettings, Relayed};
pub use settlement::{SettleError, SettleOrders, Traces};
pub use status::{ChangeStatus, ChangeStatusError, ChangedOrder};
pub use sweeper::{MAX_DEAD_MESSAGES, Sweeper, SweeperSettings, Swept};
pub use vendor_expiry::{Enforced, VendorExpiry};
pub use vendor_pause::{
    InvalidPauseReason, MAX_PAUSE_REASON_CHARS, PauseReason, PauseVendor, PauseVendorError,
};
pub use vendor_rename::{RenameVendor, RenameVendorError};
pub use vendor_set::{AppliedSet, SetStatus, VendorSetError, VendorSets};
pub use vendor_sync::{
    CheckedReport, PendingAttempt, PendingOrders, QuarantineDecision, SyncDelay, SyncError,
    VendorCheck, VendorSync,
};
