//! Applying a vendor's report.

mod pauses;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, info, warn};

use super::applied_report::{self, Handled, Incoming};
use crate::evidence::{Evidence, Exchange, NoEvidence, Proof, assess};
use crate::identifiers::VendorId;
use crate::ports::{
    Clock, FeedError, FinishedSync, Notifier, Observer, Store, StoreError, StoreProbe, SyncOutcome,
    SyncRecord, Topic, Unannounced, Unobserved, VendorFeed,
};
use crate::report::{Report, ReportKind};
use crate::retry::{self, AsStoreError};
use crate::stock::Imbalance;
use crate::timestamp::Timestamp;

pub use pauses::PendingAttempt;

/// Longest wait for one lock: what a sync has locked already keeps settlement waiting.
const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(1);

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
    /// The vendor demanded to get no request before an instant, and was not asked.
    #[error("vendor {vendor_id} sent Retry-After: it gets no request before {until}")]
    Paused {
        /// The vendor.
        vendor_id: VendorId,
        /// The end of its demand, by the store's clock.
        until: Timestamp,
        /// The time until then.
        wait: Duration,
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
    /// The evidence of each vendor's last report, to warn once and after each change.
    evidence: Arc<Mutex<BTreeMap<VendorId, Result<Evidence, NoEvidence>>>>,
    /// The interval of each vendor's scheduled syncs.
    intervals: Arc<BTreeMap<VendorId, Duration>>,
}

/// What an operator decides on a report in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineDecision {
    /// Apply it.
    Accept,
    /// Drop it.
    Discard,
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
            evidence: Arc::default(),
            intervals: Arc::default(),
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

    /// Requests a vendor's report and applies it, all or nothing, in one transaction. The result is kept as the vendor's
    /// last, also when it failed.
    ///
    /// # Errors
    /// [`SyncError`]; then no stock was changed, unless the store's error is [`StoreError::CommitUnknown`].
    pub async fn sync(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        let vendor_id = feed.vendor_id();
        let requested_at = self.probe.store_time().await?;
        let started = self.clock.now();
        let result = self.fetch_and_apply(feed, requested_at, started).await;
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
            Ok(done) if done.outcome == SyncOutcome::Applied => info!(
                vendor.id = %vendor_id,
                received = done.received,
                changed = done.changed,
                "synced"
            ),
            Ok(done) => warn!(
                vendor.id = %vendor_id,
                received = done.received,
                outcome = %done.outcome,
                reason = done.error,
                "the report was not applied; the vendor's stock stays as it was"
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
                    took: self.took(started),
                    received: 0,
                    changed: 0,
                    error: Some(error.to_string()),
                };
                self.record(vendor_id, &record, error.feed_error()).await?;
            }
        }
        result
    }

    async fn fetch_and_apply(
        &self,
        feed: &dyn VendorFeed,
        requested_at: Timestamp,
        started: Timestamp,
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
        };
        retry::on_conflict(&self.clock, || self.apply(&incoming, started)).await
    }

    async fn apply(
        &self,
        incoming: &Incoming<'_>,
        started: Timestamp,
    ) -> Result<FinishedSync, SyncError> {
        let vendor_id = incoming.vendor_id;
        let mut work = self.store.begin().await?;
        // It is repeated a few times, and holds no locks in between.
        work.limit_lock_waits(LONGEST_LOCK_WAIT).await?;
        let state = work
            .lock_vendor(vendor_id)
            .await?
            .ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        let handled = applied_report::handle(work.as_mut(), state, incoming).await?;
        let Handled {
            outcome,
            changed,
            error,
            history,
            proof,
            is_repaired,
        } = handled;
        let record = SyncRecord {
            outcome,
            took: self.took(started),
            received: incoming.report.quantities().len() as u64,
            changed,
            error,
        };
        let freed = work.end_first_sync(vendor_id).await?;
        let finished_at = work.record_sync(vendor_id, &record, Some(&history)).await?;
        let ended_pause = work.clear_pause(vendor_id).await?;
        work.commit().await?;
        self.wake_relay(freed);
        pauses::log_recovery(vendor_id, ended_pause);
        if is_repaired {
            error!(
                vendor.id = %vendor_id,
                "stored instants were later than the store's clock, which was ahead once; they were repaired"
            );
            self.observer.repaired_as_of(vendor_id);
        }
        self.note_evidence(vendor_id, proof, incoming.lag);
        Ok(FinishedSync::new(finished_at, record))
    }

    /// Applies or drops a vendor's report in quarantine, and returns the result; `None` if there is no such report.
    ///
    /// # Errors
    /// [`SyncError`]; then nothing was changed.
    pub async fn resolve_quarantine(
        &self,
        vendor_id: &VendorId,
        decision: QuarantineDecision,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let started = self.clock.now();
        let result = retry::on_conflict(&self.clock, || {
            self.resolve_quarantine_once(vendor_id, decision, started)
        })
        .await?;
        if let Some(done) = &result {
            info!(vendor.id = %vendor_id, ?decision, changed = done.changed, "the report in quarantine was decided on");
            if done.changed > 0 {
                self.notifier.notify(Topic::Changes);
            }
        }
        Ok(result)
    }

    async fn resolve_quarantine_once(
        &self,
        vendor_id: &VendorId,
        decision: QuarantineDecision,
        started: Timestamp,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(LONGEST_LOCK_WAIT).await?;
        let Some(state) = work.lock_vendor(vendor_id).await? else {
            return Ok(None);
        };
        let mut history = state.history;
        let Some(report) = history.quarantined.take() else {
            return Ok(None);
        };
        let mut record = SyncRecord {
            outcome: SyncOutcome::Quarantined,
            took: Duration::ZERO,
            received: 0,
            changed: 0,
            error: Some("the empty report was discarded by an operator".to_owned()),
        };
        if decision == QuarantineDecision::Accept {
            let (order, proof) = (report.order, report.proof);
            let empty = Report::empty(ReportKind::Full);
            let changed =
                applied_report::write(work.as_mut(), vendor_id, &empty, order, proof).await?;
            history.apply(ReportKind::Full, order, proof);
            record.outcome = SyncOutcome::Applied;
            record.changed = changed.unwrap_or(0);
            record.error = None;
        }
        record.took = self.took(started);
        let finished_at = work.record_sync(vendor_id, &record, Some(&history)).await?;
        work.commit().await?;
        Ok(Some(FinishedSync::new(finished_at, record)))
    }

    /// Warns when a vendor's reports prove little: after the first report of this process, and after each change.
    fn note_evidence(&self, vendor_id: &VendorId, proof: Proof, lag: Duration) {
        let evidence = proof.map(|proven| proven.evidence);
        let mut known = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(vendor_id.clone(), evidence) == Some(evidence) {
            return;
        }
        match evidence {
            Ok(Evidence::Date) if lag.is_zero() => warn!(
                vendor.id = %vendor_id,
                "the only evidence of when this vendor counted its stock is the Date of its responses: \
                 if a cache, a replica or a job is in between, set the vendor's `lag`"
            ),
            Ok(_) => {}
            Err(reason) => warn!(
                vendor.id = %vendor_id,
                reason = reason.explanation(),
                "this vendor's reports prove nothing: units that it has shipped stay in flight"
            ),
        }
    }

    /// Records a sync that failed; with `failure` if it was the vendor that did.
    async fn record(
        &self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        failure: Option<&FeedError>,
    ) -> Result<(), StoreError> {
        retry::on_conflict(&self.clock, || async move {
            let mut work = self.store.begin().await?;
            let (mut freed, mut pause) = (0, None);
            if work.lock_vendor(vendor_id).await?.is_some() {
                freed = work.end_first_sync(vendor_id).await?;
                let ended_at = work.record_sync(vendor_id, record, None).await?;
                if let Some(error) = failure {
                    let recorded = self.pause(work.as_mut(), vendor_id, error, ended_at);
                    pause = Some((error, recorded.await?));
                }
            }
            work.commit().await?;
            self.wake_relay(freed);
            if let Some((error, pause)) = pause {
                pauses::log_pause(vendor_id, error, &pause);
            }
            Ok(())
        })
        .await
    }

    /// Orders that waited for a vendor's first sync are in the outbox.
    fn wake_relay(&self, freed: u64) {
        if freed > 0 {
            self.notifier.notify(Topic::Outbox);
        }
    }

    fn took(&self, started: Timestamp) -> Duration {
        self.clock.now().since(started)
    }
}
