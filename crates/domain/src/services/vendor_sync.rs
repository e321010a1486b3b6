//! Syncs a vendor: fetches its report, applies it, records the result and announces it.

mod application;
mod check;
mod chunks;
mod counts;
mod decision;
mod error;
mod fetching;
mod files;
mod guarding;
mod not_modified;
mod not_ready;
mod pauses;
mod plan;
mod progress;
mod push;
mod quarantine;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::stock_locks::MAX_CHUNK;
use super::vendor_expiry::VendorExpiry;
use super::vendor_pause::PauseVendor;
use crate::evidence::{Evidence, NoEvidence, Proof};
use crate::identifiers::VendorId;
use crate::ports::{
    Clock, FeedError, FinishedSync, NoopNotifier, NoopObserver, Notifier, Observer, Store,
    StoreError, StoreProbe, SyncOutcome, SyncQueries, Topic, VendorFeed,
};
use crate::timestamp::Timestamp;

pub use check::{CheckedReport, PendingOrders, VendorCheck};
pub use decision::QuarantineDecision;
pub use error::SyncError;
use fetching::{Incoming, Response};
use not_modified::after_unread_report;
use pauses::FetchOutcome;
pub use pauses::{PendingAttempt, SyncDelay};
use plan::Plan;
use progress::{Ended, Progress};

/// Syncs vendors.
#[derive(Clone)]
pub struct VendorSync {
    store: Arc<dyn Store>,
    queries: Arc<dyn SyncQueries>,
    probe: Arc<dyn StoreProbe>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    notifier: Arc<dyn Notifier>,
    /// The intervals of the scheduled syncs of each vendor, as far as they are known.
    intervals: Arc<BTreeMap<VendorId, Duration>>,
    chunk_size: usize,
    /// The evidence of each vendor's last report, to warn once and after each change.
    evidence: Arc<Mutex<BTreeMap<VendorId, Result<Evidence, NoEvidence>>>>,
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
            store,
            queries,
            probe,
            clock,
            observer: Arc::new(NoopObserver),
            notifier: Arc::new(NoopNotifier),
            intervals: Arc::default(),
            chunk_size: MAX_CHUNK,
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
        self.notifier = notifier;
        self
    }

    /// Sets the maximum number of products that one transaction writes, at least 1 (default: 1,024). For tests: with a
    /// smaller number, small reports are applied in several chunks.
    #[must_use]
    pub fn with_chunk_size(mut self, products: usize) -> Self {
        self.chunk_size = products;
        self
    }

    /// Requests a vendor's report and applies it: in one transaction, or in several if it changes more than 1,024 products.
    /// The result is stored as that of the vendor's last sync and as a run, even if the sync failed. A report that the vendor
    /// has not finished is a result too, and changes nothing.
    ///
    /// # Errors
    /// [`SyncError`]. Stock was changed only if the error is [`SyncError::Incomplete`], and may have been changed if it is
    /// [`StoreError::CommitUnknown`]. The next sync applies the rest of a full report.
    pub async fn sync(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        let requested_at = self.probe.store_time().await?;
        self.sync_requested(feed, requested_at).await
    }

    /// Syncs a vendor whose report was requested, or pushed, at this instant by the store's clock.
    async fn sync_requested(
        &self,
        feed: &dyn VendorFeed,
        requested_at: Timestamp,
    ) -> Result<FinishedSync, SyncError> {
        let mut progress = Progress::new(self.clock.now());
        let result = match self.fetch(feed, requested_at, &mut progress).await {
            Err(SyncError::Feed {
                source: FeedError::NotReady(reason),
                ..
            }) => {
                return self
                    .end_not_ready(feed.vendor_id(), reason, &progress)
                    .await;
            }
            Ok(Response::NotModified(unchanged)) => {
                let vendor_id = feed.vendor_id();
                self.end_not_modified(vendor_id, &unchanged, &mut progress)
                    .await
            }
            Ok(Response::Report(incoming)) => {
                let applied = self.apply(feed, &incoming, &mut progress).await;
                applied.map_err(|error| error.after_changes(progress.changed))
            }
            Err(error) => Err(error),
        };
        let took = self.clock.now().since(progress.started);
        let recorded = self.record(feed.vendor_id(), &result, &progress).await;
        self.announce(feed, &result, &progress, took);
        recorded.map_err(|error| SyncError::from(error).after_changes(progress.changed))?;
        let (mut ended, _) = result?;
        let outcome = ended.finished.outcome;
        if matches!(outcome, SyncOutcome::Applied | SyncOutcome::NotModified) {
            self.enforce_max_age(feed.vendor_id(), feed.max_age()).await;
        }
        self.finish_file(feed, &progress, &mut ended.finished).await;
        Ok(ended.finished)
    }

    /// Applies the report, if it is not older than others or to be confirmed. Its result is recorded with its last chunk.
    async fn apply(
        &self,
        feed: &dyn VendorFeed,
        incoming: &Incoming,
        progress: &mut Progress,
    ) -> Result<(Ended, Proof), SyncError> {
        let decide = |state| {
            let plan = Plan::of_incoming(feed, &incoming.fetched, &incoming.assessment, state);
            Some(plan.with_validators(incoming.validators.as_ref()))
        };
        let handled = self.handle(feed.vendor_id(), progress, decide).await?;
        handled.ok_or_else(|| SyncError::NotConfigured(feed.vendor_id().clone()))
    }

    /// Records the result of a sync that failed.
    async fn record(
        &self,
        vendor_id: &VendorId,
        result: &Result<(Ended, Proof), SyncError>,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let Err(error) = result else {
            return Ok(());
        };
        // The report may have been applied, or may still be: recording a failure would contradict that.
        if error.is_commit_unknown() {
            return Ok(());
        }
        let fetch_outcome = error
            .feed_error()
            .map_or(FetchOutcome::None, FetchOutcome::Failed);
        let (now, reason) = (self.clock.now(), error.to_string());
        let record = progress.record(now, SyncOutcome::Failed, 0, Some(reason));
        let is_refused = matches!(error.feed_error(), Some(FeedError::Malformed(_)));
        let change = |locked| Ok(after_unread_report(locked, is_refused, progress.file_seen));
        let ended = self.record_end(vendor_id, &record, fetch_outcome, change);
        let ended = ended.await?;
        self.wake_relay(ended.as_ref());
        Ok(())
    }

    /// Reports the result to the observer, the listeners and the log.
    fn announce(
        &self,
        feed: &dyn VendorFeed,
        result: &Result<(Ended, Proof), SyncError>,
        progress: &Progress,
        took: Duration,
    ) {
        let vendor_id = feed.vendor_id();
        let (changed, file) = (progress.changed, progress.details.file.as_deref());
        let outcome = match result {
            Ok((ended, _)) => ended.finished.outcome,
            Err(_) => SyncOutcome::Failed,
        };
        self.observer.synced(vendor_id, outcome, took);
        if changed > 0 {
            self.notifier.notify(Topic::Changes);
        }
        let (ended, proof) = match result {
            Ok(handled) => handled,
            Err(error) if error.is_commit_unknown() => {
                warn!(vendor.id = %vendor_id, %error, "the outcome of a sync is unknown; the next sync determines it");
                self.notifier.notify(Topic::Changes);
                return;
            }
            Err(error) => {
                warn!(vendor.id = %vendor_id, %error, changed, "sync failed; the rest of the vendor's stock is unchanged");
                return;
            }
        };
        self.wake_relay(Some(ended));
        if progress.is_repaired {
            error!(
                vendor.id = %vendor_id,
                "stored instants were later than the store's clock, which was ahead once; they were repaired"
            );
            self.observer.repaired_as_of(vendor_id);
        }
        self.warn_of_weak_evidence(vendor_id, *proof, feed.lag(), progress.file_ahead);
        let FinishedSync {
            received, changed, ..
        } = ended.finished;
        match outcome {
            SyncOutcome::Applied if changed == 0 => {
                debug!(vendor.id = %vendor_id, file, received, "vendor synced; nothing changed");
            }
            SyncOutcome::Applied => {
                info!(vendor.id = %vendor_id, file, received, changed, "vendor synced");
            }
            SyncOutcome::NotModified => {
                debug!(vendor.id = %vendor_id, "vendor synced; its report has not changed");
            }
            SyncOutcome::Quarantined => warn!(
                vendor.id = %vendor_id,
                file,
                received,
                reason = ended.finished.error,
                "the report is in quarantine and changed nothing: a later report that agrees with it is applied, or an \
                 operator decides (POST /api/v1/vendors/{vendor_id}/quarantine/accept or …/discard)"
            ),
            _ => warn!(
                vendor.id = %vendor_id,
                file,
                received,
                %outcome,
                reason = ended.finished.error,
                changed,
                "the report was not applied, or to some of its products only"
            ),
        }
    }

    /// The use case that pauses vendors of the same store.
    #[must_use]
    pub fn pausing(&self) -> PauseVendor {
        PauseVendor::new(Arc::clone(&self.store), Arc::clone(&self.clock))
    }

    /// Updates the marks of the stock rows that an applied report did not change.
    async fn enforce_max_age(&self, vendor_id: &VendorId, max_age: Option<Duration>) {
        if max_age.is_none() {
            return;
        }
        match self.expiry().enforce(vendor_id, max_age).await {
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
            Arc::clone(&self.store),
            Arc::clone(&self.clock),
            Arc::clone(&self.notifier),
        )
    }

    /// Warns if a vendor's reports prove little: after the first report of this process, and after each change. `file_ahead` is
    /// the time by which the modification time of the report's file is wrong.
    fn warn_of_weak_evidence(
        &self,
        vendor_id: &VendorId,
        proof: Proof,
        lag: Duration,
        file_ahead: Duration,
    ) {
        let evidence = proof.map(|proven| proven.evidence);
        let mut known = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        // The reason why the first reading proved nothing was logged then.
        let was_weak = matches!(known.get(vendor_id), Some(Err(_)));
        if was_weak && evidence == Err(NoEvidence::SeenUnproven) {
            return;
        }
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
            Err(_) if !file_ahead.is_zero() => files::warn_of_file_time(vendor_id, file_ahead),
            Err(reason) => warn!(
                vendor.id = %vendor_id,
                reason = reason.explanation(),
                "this vendor's reports prove nothing: its shipped units stay in flight"
            ),
        }
    }

    /// Notifies the relays of outbox entries that became due with the end of a vendor's first sync.
    fn wake_relay(&self, ended: Option<&Ended>) {
        if ended.is_some_and(|ended| ended.freed > 0) {
            self.notifier.notify(Topic::Outbox);
        }
    }
}
