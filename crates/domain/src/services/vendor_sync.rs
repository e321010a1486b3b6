//! Applying a vendor's report.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, info, warn};

use crate::identifiers::{ProductId, VendorId};
use crate::ports::{
    Clock, FeedError, FinishedSync, Notifier, Observer, Store, StoreError, StoreProbe, SyncOutcome,
    SyncRecord, Topic, Unannounced, UnitOfWork, Unobserved, VendorFeed,
};
use crate::reconciliation::reconcile;
use crate::report::{Report, ReportKind};
use crate::retry::{self, AsStoreError};
use crate::stock::{Imbalance, StockChange};
use crate::timestamp::Timestamp;

/// Why a sync changed nothing.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The vendor gave no report.
    #[error("vendor {vendor_id}: {source}")]
    Feed {
        /// Which vendor.
        vendor_id: VendorId,
        /// What happened.
        source: FeedError,
    },
    /// The vendor is not among the configured ones.
    #[error("vendor {0} is not configured")]
    NotConfigured(VendorId),
    /// The store contradicts itself.
    #[error(transparent)]
    Imbalance(#[from] Imbalance),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AsStoreError for SyncError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Syncs vendors.
#[derive(Clone)]
pub struct VendorSync {
    store: Arc<dyn Store>,
    probe: Arc<dyn StoreProbe>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    notifier: Arc<dyn Notifier>,
}

impl VendorSync {
    /// Wires the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, probe: Arc<dyn StoreProbe>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            probe,
            clock,
            observer: Arc::new(Unobserved),
            notifier: Arc::new(Unannounced),
        }
    }

    /// Tells somebody how syncs end.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Wakes those who wait for stock to change.
    #[must_use]
    pub fn announced_by(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Asks a vendor for its report and applies it, all or nothing, in one transaction. The result is kept as the
    /// vendor's last, also when it failed.
    ///
    /// # Errors
    /// [`SyncError`]; then no stock was changed, unless the store's error is [`StoreError::CommitUnknown`].
    pub async fn sync(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        let vendor_id = feed.vendor_id();
        let requested_at = self.probe.store_time().await?;
        let started = self.clock.now();
        let result = match feed.fetch().await {
            Ok(report) => {
                retry::on_conflict(&self.clock, || {
                    self.apply(vendor_id, &report, requested_at, started)
                })
                .await
            }
            Err(source) => Err(SyncError::Feed {
                vendor_id: vendor_id.clone(),
                source,
            }),
        };
        let outcome = result
            .as_ref()
            .map_or(SyncOutcome::Failed, |done| done.outcome);
        self.observer.synced(vendor_id, outcome, self.took(started));
        if result.as_ref().is_ok_and(|done| done.changed > 0) {
            self.notifier.notify(Topic::Changes);
        }
        match &result {
            Ok(done) if done.changed == 0 && done.outcome == SyncOutcome::Applied => {
                debug!(vendor.id = %vendor_id, received = done.received, "synced, nothing changed");
            }
            Ok(done) => info!(
                vendor.id = %vendor_id,
                received = done.received,
                changed = done.changed,
                outcome = ?done.outcome,
                "synced"
            ),
            // The report may be applied, or will be: a record of a failure would contradict it.
            Err(SyncError::Store(error)) if error.is_commit_unknown() => {
                warn!(vendor.id = %vendor_id, %error, "the outcome of a sync is not known; the next sync finds it");
                self.notifier.notify(Topic::Changes);
            }
            Err(error) => {
                warn!(vendor.id = %vendor_id, %error, "sync failed; the vendor's stock stays as it was");
                let record = SyncRecord {
                    outcome: SyncOutcome::Failed,
                    as_of: None,
                    full: false,
                    took: self.took(started),
                    received: 0,
                    changed: 0,
                    error: Some(error.to_string()),
                };
                self.record(vendor_id, &record).await?;
            }
        }
        result
    }

    async fn apply(
        &self,
        vendor_id: &VendorId,
        report: &Report,
        requested_at: Timestamp,
        started: Timestamp,
    ) -> Result<FinishedSync, SyncError> {
        let as_of = report.effective_as_of(requested_at);
        let mut work = self.store.begin().await?;
        let vendor = work
            .lock_vendor(vendor_id)
            .await?
            .ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        let received = report.quantities().len() as u64;
        let stale = vendor.last_as_of.is_some_and(|last| as_of < last);
        let changes = if stale {
            Vec::new()
        } else {
            let affected = work.affected_by(vendor_id, report, as_of).await?;
            decide(work.as_mut(), vendor_id, report, as_of, &affected).await?
        };
        if !changes.is_empty() {
            work.save_stock(&changes).await?;
        }
        let record = SyncRecord {
            outcome: if stale {
                SyncOutcome::Stale
            } else {
                SyncOutcome::Applied
            },
            as_of: (!stale).then_some(as_of),
            full: report.kind() == ReportKind::Full,
            took: self.took(started),
            received,
            changed: changes.len() as u64,
            error: vendor.last_as_of.filter(|_| stale).map(|last| {
                format!(
                    "the report is true as of {as_of}, before the one of {last} that was applied"
                )
            }),
        };
        let finished_at = work.record_sync(vendor_id, &record).await?;
        work.commit().await?;
        Ok(FinishedSync::new(finished_at, record))
    }

    async fn record(&self, vendor_id: &VendorId, record: &SyncRecord) -> Result<(), StoreError> {
        retry::on_conflict(&self.clock, || async move {
            let mut work = self.store.begin().await?;
            if work.lock_vendor(vendor_id).await?.is_some() {
                work.record_sync(vendor_id, record).await?;
            }
            work.commit().await
        })
        .await
    }

    fn took(&self, started: Timestamp) -> Duration {
        self.clock.now().since(started)
    }
}

async fn decide(
    work: &mut dyn UnitOfWork,
    vendor_id: &VendorId,
    report: &Report,
    as_of: Timestamp,
    affected: &[ProductId],
) -> Result<Vec<StockChange>, SyncError> {
    if affected.is_empty() {
        return Ok(Vec::new());
    }
    let stock = work.lock_stock(affected).await?;
    let newly_known = work.mark_known(vendor_id, affected, as_of).await?;
    Ok(reconcile(vendor_id, report, as_of, stock, &newly_known)?)
}
