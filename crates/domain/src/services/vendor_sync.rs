//! Syncs a vendor: requests its report and applies it.

pub(super) mod pauses;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, info, warn};

use super::applied_report::ReportApplier;
use super::report_plan::{Incoming, Plan};
use super::report_progress::Progress;
use super::stock_locks::{MAX_CHUNK, MAX_LOCK_WAIT};
use super::vendor_expiry::VendorExpiry;
use crate::evidence::{Evidence, Exchange, NoEvidence, Proof, assess};
use crate::identifiers::VendorId;
use crate::ports::{
    Clock, FeedError, FinishedSync, NoopNotifier, NoopObserver, Notifier, Observer, Store,
    StoreError, StoreProbe, SyncOutcome, SyncQueries, SyncRecord, Topic, VendorFeed,
    VendorSyncState,
};
use crate::report::{Report, ReportKind};
use crate::retry::{self, AsStoreError};
use crate::stock::Imbalance;
use crate::timestamp::Timestamp;

use pauses::FetchOutcome;
pub use pauses::PendingAttempt;

/// The reason why a sync failed.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The vendor returned no report.
    #[error("vendor {vendor_id}: {source}")]
    Feed {
        /// The vendor.
        vendor_id: VendorId,
        /// The error of the feed.
        source: FeedError,
    },
    /// The vendor sent a `Retry-After` earlier, and was not requested.
    #[error("vendor {vendor_id} sent Retry-After: no request is sent before {until}")]
    Paused {
        /// The vendor.
        vendor_id: VendorId,
        /// The end of the `Retry-After`, by the store's clock.
        until: Timestamp,
        /// The time until then.
        wait: Duration,
    },
    /// The vendor is not configured.
    #[error("vendor {0} is not configured")]
    NotConfigured(VendorId),
    /// The store is inconsistent.
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
    applier: ReportApplier,
    probe: Arc<dyn StoreProbe>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    notifier: Arc<dyn Notifier>,
    /// The evidence of each vendor's last report, to warn once and after each change.
    evidence: Arc<Mutex<BTreeMap<VendorId, Result<Evidence, NoEvidence>>>>,
}

/// An operator's decision on a report in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineDecision {
    /// Apply it.
    Accept,
    /// Drop it.
    Discard,
}

impl VendorSync {
    /// Creates the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        queries: Arc<dyn SyncQueries>,
        probe: Arc<dyn StoreProbe>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            applier: ReportApplier {
                store,
                queries,
                clock: Arc::clone(&clock),
                notifier: Arc::new(NoopNotifier),
                intervals: Arc::default(),
                chunk_size: MAX_CHUNK,
            },
            probe,
            clock,
            observer: Arc::new(NoopObserver),
            notifier: Arc::new(NoopNotifier),
            evidence: Arc::default(),
        }
    }

    /// Reports the outcomes of syncs to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Notifies listeners of changed stock through `notifier`.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.applier.notifier = Arc::clone(&notifier);
        self.notifier = notifier;
        self
    }

    /// Sets the maximum number of products that one transaction writes, at least 1 (default: 1,024). For tests: with a
    /// smaller number, small reports are applied in several chunks.
    #[must_use]
    pub fn with_chunk_size(mut self, products: usize) -> Self {
        self.applier.chunk_size = products;
        self
    }

    /// Requests a vendor's report and applies it: in one transaction, or in several if it changes more than 1,024 products.
    /// The result is stored as that of the vendor's last sync, even if the sync failed.
    ///
    /// # Errors
    /// [`SyncError`]. Stock may have been changed only if the store failed during the application of a large report, whose
    /// rest the next sync applies, if other transactions held products of a delta, or if the error is
    /// [`StoreError::CommitUnknown`].
    pub async fn sync(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        let vendor_id = feed.vendor_id();
        let requested_at = self.probe.store_time().await?;
        let started = self.clock.now();
        let mut progress = Progress::new(started);
        let applying = self.fetch_and_apply(feed, requested_at, &mut progress);
        let result = applying.await;
        let outcome = result
            .as_ref()
            .map_or(SyncOutcome::Failed, |done| done.outcome);
        self.observer.synced(vendor_id, outcome, self.took(started));
        if progress.changed > 0 {
            self.notifier.notify(Topic::Changes);
        }
        self.enforce_max_age(feed, outcome).await;
        match &result {
            Ok(done) if done.changed == 0 && done.outcome == SyncOutcome::Applied => {
                debug!(vendor.id = %vendor_id, received = done.received, "vendor synced; nothing changed");
            }
            Ok(done) if done.outcome == SyncOutcome::Applied => info!(
                vendor.id = %vendor_id,
                received = done.received,
                changed = done.changed,
                "vendor synced"
            ),
            Ok(done) => warn!(
                vendor.id = %vendor_id,
                received = done.received,
                outcome = %done.outcome,
                reason = done.error,
                changed = done.changed,
                "the report was not applied, or only in part"
            ),
            // The report may have been applied, or may still be: recording a failure would contradict that.
            Err(SyncError::Store(error)) if error.is_commit_unknown() => {
                warn!(vendor.id = %vendor_id, %error, "the outcome of a sync is unknown; the next sync determines it");
                self.notifier.notify(Topic::Changes);
            }
            Err(error) => {
                warn!(
                    vendor.id = %vendor_id,
                    %error,
                    changed = progress.changed,
                    "sync failed; the rest of the vendor's stock is unchanged"
                );
                let record = SyncRecord {
                    outcome: SyncOutcome::Failed,
                    took: self.took(started),
                    received: 0,
                    changed: progress.changed,
                    error: Some(error.to_string()),
                };
                let fetch_outcome = error
                    .feed_error()
                    .map_or(FetchOutcome::None, FetchOutcome::Failed);
                let recorded = self
                    .applier
                    .record(vendor_id, &record, fetch_outcome)
                    .await?;
                self.wake_relay(recorded.map_or(0, |(_, freed)| freed));
            }
        }
        result
    }

    async fn fetch_and_apply(
        &self,
        feed: &dyn VendorFeed,
        requested_at: Timestamp,
        progress: &mut Progress,
    ) -> Result<FinishedSync, SyncError> {
        let vendor_id = feed.vendor_id();
        let fetched = feed.fetch().await.map_err(|source| SyncError::Feed {
            vendor_id: vendor_id.clone(),
            source,
        })?;
        let exchange = Exchange {
            requested_at,
            received_at: self.probe.store_time().await?,
        };
        let incoming = Incoming {
            vendor_id,
            report: &fetched.report,
            assessment: &assess(fetched.report.as_of(), &fetched.times, exchange),
            lag: feed.lag(),
            max_age: feed.max_age(),
        };
        let decide = |state| Some(Plan::of_incoming(&incoming, state));
        let handled = self.applier.handle(vendor_id, progress, decide).await?;
        let handled = handled.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        self.wake_relay(handled.ended.freed);
        if handled.ended.is_repaired {
            error!(
                vendor.id = %vendor_id,
                "stored instants were later than the store's clock, which was ahead once; they were repaired"
            );
            self.observer.repaired_as_of(vendor_id);
        }
        self.warn_of_weak_evidence(vendor_id, handled.plan.proof, incoming.lag);
        Ok(handled.ended.finished)
    }

    /// Applies or drops a vendor's report in quarantine, and returns the result; `None` if there is no such report.
    ///
    /// # Errors
    /// [`SyncError`]. The report then stays in quarantine, even if a part of it was applied.
    pub async fn resolve_quarantine(
        &self,
        vendor_id: &VendorId,
        decision: QuarantineDecision,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let mut progress = Progress::new(self.clock.now());
        let result = match decision {
            QuarantineDecision::Accept => self.accept_quarantined(vendor_id, &mut progress).await,
            QuarantineDecision::Discard => {
                let started = progress.started;
                retry::on_conflict(&self.clock, || self.discard_quarantined(vendor_id, started))
                    .await
            }
        };
        if progress.changed > 0 {
            self.notifier.notify(Topic::Changes);
        }
        let result = result?;
        if let Some(done) = &result {
            info!(vendor.id = %vendor_id, ?decision, changed = done.changed, "quarantine resolved");
        }
        Ok(result)
    }

    async fn accept_quarantined(
        &self,
        vendor_id: &VendorId,
        progress: &mut Progress,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let empty = Report::empty(ReportKind::Full);
        let decide = |state: VendorSyncState| {
            let quarantined = state.history.quarantined.clone()?;
            Some(Plan::of_quarantined(vendor_id, &empty, &quarantined, state))
        };
        match self.applier.handle(vendor_id, progress, decide).await {
            Ok(handled) => Ok(handled.map(|handled| {
                self.wake_relay(handled.ended.freed);
                handled.ended.finished
            })),
            Err(SyncError::NotConfigured(_)) if progress.changed == 0 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn discard_quarantined(
        &self,
        vendor_id: &VendorId,
        started: Timestamp,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let mut work = self.applier.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = work.lock_vendor(vendor_id).await? else {
            return Ok(None);
        };
        let mut history = locked.history;
        if history.quarantined.take().is_none() {
            return Ok(None);
        }
        let record = SyncRecord {
            outcome: SyncOutcome::Quarantined,
            took: self.took(started),
            received: 0,
            changed: 0,
            error: Some("the empty report was discarded by an operator".to_owned()),
        };
        let finished_at = work.record_sync(vendor_id, &record, Some(&history)).await?;
        work.commit().await?;
        Ok(Some(FinishedSync::new(finished_at, record)))
    }

    /// Updates the marks of the stock rows that an applied report did not change.
    async fn enforce_max_age(&self, feed: &dyn VendorFeed, outcome: SyncOutcome) {
        if outcome != SyncOutcome::Applied || feed.max_age().is_none() {
            return;
        }
        let vendor_id = feed.vendor_id();
        match self.expiry().enforce(vendor_id, feed.max_age()).await {
            Ok(enforced) if enforced.is_complete => {}
            Ok(_) => debug!(
                vendor.id = %vendor_id,
                "other transactions hold products; the worker that syncs the vendor enforces max_age on them later"
            ),
            Err(error) => warn!(
                vendor.id = %vendor_id,
                %error,
                "enforcing max_age failed; the worker that syncs the vendor retries"
            ),
        }
    }

    /// The use case that enforces the setting `max_age` in the same store.
    #[must_use]
    pub fn expiry(&self) -> VendorExpiry {
        VendorExpiry::new(
            Arc::clone(&self.applier.store),
            Arc::clone(&self.clock),
            Arc::clone(&self.notifier),
        )
    }

    /// Warns if a vendor's reports prove little: after the first report of this process, and after each change.
    fn warn_of_weak_evidence(&self, vendor_id: &VendorId, proof: Proof, lag: Duration) {
        let evidence = proof.map(|proven| proven.evidence);
        let mut known = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(vendor_id.clone(), evidence) == Some(evidence) {
            return;
        }
        match evidence {
            Ok(Evidence::Date) if lag.is_zero() => warn!(
                vendor.id = %vendor_id,
                "the only evidence of the time of this vendor's counts is the Date of its responses: \
                 if a cache, a replica or a batch job is in between, set the vendor's `lag`"
            ),
            Ok(_) => {}
            Err(reason) => warn!(
                vendor.id = %vendor_id,
                reason = reason.explanation(),
                "this vendor's reports prove nothing: its shipped units stay in flight"
            ),
        }
    }

    /// Notifies the relays of outbox entries that became due with the end of a vendor's first sync.
    fn wake_relay(&self, freed: u64) {
        if freed > 0 {
            self.notifier.notify(Topic::Outbox);
        }
    }

    fn took(&self, started: Timestamp) -> Duration {
        self.clock.now().since(started)
    }
}
