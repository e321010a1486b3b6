//! The ports: interfaces that the use cases need from the outside.
//!
//! Traits are named by role, split by caller, object-safe and `Send + Sync`. "Not found" is `Ok(None)`; an error is a
//! failure, and states whether the same call may succeed later. No driver's type crosses a port.

mod audit;
mod changes;
mod clock;
mod consumers;
mod dead_letters;
mod in_flight;
mod lease;
#[cfg(any(test, feature = "test-support"))]
mod mocks;
mod observer;
mod orders;
mod outbox;
mod pauses;
mod pushes;
mod quarantine;
mod queries;
mod queue;
mod runs;
mod signals;
mod stock;
mod store;
mod sync;
mod tracer;
mod transfer;
mod vendor_rename;
mod vendor_set;
mod vendors;
mod writes;

pub use audit::{AuditFinding, AuditQueries, audit_rules, longest_pending};
pub use changes::{
    ChangeEntry, ChangeQueries, ChangeRepository, Changed, ChangesRead, MAX_CHANGED_IDS,
};
pub use clock::Clock;
pub use consumers::ConsumerRegistry;
pub use dead_letters::{
    DeadLetter, DeadLetterQueries, DeadLetterRepository, MAX_DEAD_LETTER_REASON_CHARS,
    dead_letter_reason,
};
pub use in_flight::{InFlight, InFlightQueries};
pub use lease::{Lease, Leases};
pub use observer::{NoopObserver, Observer};
pub use orders::{Acceptance, NewOrder, OrderRepository};
pub use outbox::{OutboxEntry, OutboxId, OutboxRepository, RequeueLimits};
pub use pauses::{OperatorPause, OperatorPauseRepository, PauseRepository, StoredPause};
pub use pushes::{ConfiguredPushFeed, DocumentUpload, PushFeed, PushedDocument, UploadError};
pub use quarantine::{MAX_QUARANTINED_LINES, QuarantineRepository};
pub use queries::{
    ChangeFeedLag, OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries,
    StoreProbe, VendorLevel, VendorQueries, VendorStatus,
};
pub use queue::{
    Backlog, ConsumerProbe, OrderConsumer, OrderQueue, QueueError, QueuedMessage, QueuedOrder,
    Receipt, Share,
};
pub use runs::{Run, RunId, RunQueries, RunRepository};
pub use signals::{Listener, NoopNotifier, Notifier, Topic};
pub use stock::{LockedStock, StockRepository};
pub use store::{LockedBatch, Store, StoreError, UnitOfWork};
pub use sync::{
    FinishedSync, LockedVendor, ReportedTotals, SyncOutcome, SyncQueries, SyncRecord,
    SyncRepository, VendorSyncState,
};
pub use tracer::{NoopTracer, Tracer};
pub use transfer::{
    AllocationRecord, KeyRecord, OrderRecord, ProductRecord, TransferCursor, TransferError,
    TransferProgress, TransferReader, TransferRecord, TransferSource, TransferTarget, VendorRecord,
    VendorStockRecord,
};
pub use vendor_rename::{RenamedVendor, VendorRename, VendorRenameRepository};
pub use vendor_set::{
    FirstSyncs, OtherVendors, StoredVendorSet, SwitchedVendors, UntriedVendors, VendorSetQueries,
    VendorSetRecord, VendorSetRepository,
};
pub use vendors::{
    ConfiguredFeed, FeedError, Fetched, FetchedReport, FileVersion, GivenFeed, MalformedReport,
    ReadFile, VendorFeed,
};
pub use writes::{NoopWriteObserver, WriteAttempt, WriteObserver, WriteProbe};

#[cfg(any(test, feature = "test-support"))]
pub use {
    audit::MockAuditQueries,
    changes::MockChangeQueries,
    clock::MockClock,
    consumers::MockConsumerRegistry,
    dead_letters::MockDeadLetterQueries,
    in_flight::MockInFlightQueries,
    lease::{MockLease, MockLeases},
    mocks::MockUnitOfWork,
    observer::MockObserver,
    pushes::{MockDocumentUpload, MockPushFeed},
    queries::{MockOrderQueries, MockStockQueries, MockStoreProbe, MockVendorQueries},
    queue::{MockConsumerProbe, MockOrderConsumer, MockOrderQueue},
    runs::MockRunQueries,
    signals::{MockListener, MockNotifier},
    store::MockStore,
    sync::MockSyncQueries,
    tracer::MockTracer,
    transfer::{MockTransferReader, MockTransferSource, MockTransferTarget},
    vendor_set::MockVendorSetQueries,
    vendors::MockVendorFeed,
    writes::{MockWriteAttempt, MockWriteObserver, MockWriteProbe},
};
