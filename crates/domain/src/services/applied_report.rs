//! One report on its way into the store: judge it, find what it changes, write that in chunks.
//!
//! The report is compared with the vendor's stock outside a transaction, page by page, so that a large one blocks no
//! other writer. Only products that differ are written, at most a chunk of them in one transaction: the vendor's row is
//! locked, then the chunk's stock, and both are consistent when the locks are released. A report of one chunk is one
//! transaction.
//!
//! # Why an interrupted report is safe
//!
//! A product must never see an older report after a newer one: the newer one may have taken shipped units out of what is in
//! flight, and the older one still counts these units as there. Therefore **the first chunk's transaction records the
//! report's order as the newest applied one** ([`ReportHistory::begin`]). If the process ends between two chunks:
//!
//! - A report that is older than the interrupted one is stale, as if all of it were applied. So each product sees reports in
//!   rising order only; it may miss some.
//! - A product of a chunk that was not written keeps its last count, and every shipment since then stays in flight: too
//!   little may be sold, never too much. Orders, shipments and cancellations in between lock the same rows as ever.
//! - The same report again, or a newer one, is not stale. It finds what still differs and ends what was begun.
//! - A delta's lines are compared with their rows under the vendor's lock, and its written rows carry its order.
//! - What the report proves, the result of the sync and the end of the vendor's first sync are written with the last chunk,
//!   so the vendor's evidence and age are those of the last report that is applied in full.
//!
//! Two syncs of one vendor at the same time obey the same rule: each chunk looks under the lock whether a newer report was
//! begun, and ends if so. Before its first chunk a sync also checks that the history is still the one that it has read;
//! otherwise it compares the report again.
//!
//! [`ReportHistory::begin`]: crate::report_history::ReportHistory::begin

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::report_chunks::{Chunk, Chunks, write_products};
use super::report_plan::Plan;
use super::vendor_sync::{SyncError, pauses};
use crate::identifiers::VendorId;
use crate::ports::{
    Clock, FeedError, FinishedSync, Notifier, Store, StoreError, SyncOutcome, SyncQueries,
    SyncRecord, Topic, VendorSyncState,
};
use crate::report_history::ReportHistory;
use crate::retry;
use crate::timestamp::Timestamp;

/// Longest wait for one lock: what a sync has locked already keeps settlement waiting.
pub(super) const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(1);

/// Most products that are locked at a time.
pub(super) const MAX_CHUNK: usize = 1_024;

/// How often a report is compared at most while other syncs change what it is compared with.
const MAX_COMPARISONS: usize = 8;

/// How far a sync is.
pub(super) struct Progress {
    pub(super) started: Timestamp,
    /// Products that changed.
    pub(super) changed: u64,
    /// Whether a part of the report is applied, and its order recorded.
    is_begun: bool,
}

impl Progress {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            changed: 0,
            is_begun: false,
        }
    }
}

/// A report that was handled, whether it was applied or not.
pub(super) struct Handled<'r> {
    pub(super) finished: FinishedSync,
    pub(super) plan: Plan<'r>,
    /// Orders that waited for the vendor's first sync and are free now.
    pub(super) freed: u64,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
}

/// What became of a chunk.
enum Written {
    Committed {
        /// Whether any product of it was news.
        is_news: bool,
        changed: u64,
        is_repaired: bool,
        /// With the last chunk: the result, and the number of orders that are free now.
        end: Option<(FinishedSync, u64)>,
    },
    /// What the report was compared with has changed: nothing was written.
    Outdated,
    /// A newer report was begun meanwhile: nothing was written.
    Superseded,
}

/// Applies reports.
#[derive(Clone)]
pub(super) struct ReportApplier {
    pub(super) store: Arc<dyn Store>,
    pub(super) queries: Arc<dyn SyncQueries>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) notifier: Arc<dyn Notifier>,
    /// Of the scheduled syncs of each vendor, as far as they are known.
    pub(super) intervals: Arc<BTreeMap<VendorId, Duration>>,
    pub(super) chunk_size: usize,
}

impl ReportApplier {
    /// Handles a report as `decide` plans it from what is known of the vendor; `None` if there is nothing to plan.
    pub(super) async fn handle<'r>(
        &self,
        vendor_id: &VendorId,
        progress: &mut Progress,
        decide: impl Fn(VendorSyncState) -> Option<Plan<'r>> + Send,
    ) -> Result<Option<Handled<'r>>, SyncError> {
        for _ in 0..MAX_COMPARISONS {
            let state = self.queries.find_sync_state(vendor_id).await?;
            let state = state.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
            let Some(plan) = decide(state) else {
                return Ok(None);
            };
            let ended = self.run(&plan, progress).await?;
            if let Some((finished, freed, is_repaired)) = ended {
                return Ok(Some(Handled {
                    finished,
                    plan,
                    freed,
                    is_repaired,
                }));
            }
        }
        let reason = "other syncs of the vendor kept changing its stock";
        Err(StoreError::Conflict(reason.to_owned()).into())
    }

    /// Runs a plan chunk by chunk; `None` if it is outdated.
    async fn run(
        &self,
        plan: &Plan<'_>,
        progress: &mut Progress,
    ) -> Result<Option<(FinishedSync, u64, bool)>, SyncError> {
        progress.is_begun = false;
        let mut is_repaired = false;
        let queries = self.queries.as_ref();
        let mut chunks = plan
            .is_applied()
            .then(|| Chunks::new(queries, plan.vendor_id, plan.comparison(), self.chunk_size));
        let mut chunk = next(&mut chunks).await?.unwrap_or_default();
        loop {
            let following = next(&mut chunks).await?;
            let is_last = following.is_none();
            let seen = &*progress;
            let write = || self.write(plan, &chunk, is_last, seen);
            match retry::on_conflict(&self.clock, write).await? {
                Written::Outdated => return Ok(None),
                Written::Superseded => {
                    return self.end_superseded(plan, progress, is_repaired).await;
                }
                Written::Committed {
                    is_news,
                    changed,
                    is_repaired: repaired,
                    end,
                } => {
                    progress.is_begun |= is_news;
                    progress.changed += changed;
                    is_repaired |= repaired;
                    if let Some((finished, freed)) = end {
                        return Ok(Some((finished, freed, is_repaired)));
                    }
                    if changed > 0 {
                        self.notifier.notify(Topic::Changes);
                    }
                }
            }
            let Some(following) = following else {
                return Err(
                    StoreError::Failed("a report was applied without an end".into()).into(),
                );
            };
            chunk = following;
        }
    }

    /// Writes one chunk and, with the last one, the result.
    async fn write(
        &self,
        plan: &Plan<'_>,
        chunk: &Chunk,
        is_last: bool,
        progress: &Progress,
    ) -> Result<Written, SyncError> {
        let vendor_id = plan.vendor_id;
        let mut work = self.store.begin().await?;
        // It is repeated a few times, and holds no locks in between.
        work.limit_lock_waits(LONGEST_LOCK_WAIT).await?;
        let locked = work.lock_vendor(vendor_id).await?;
        let locked = locked.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        if locked.configured_at != plan.state.configured_at {
            return Ok(Written::Outdated);
        }
        let mut history = if progress.is_begun {
            if locked
                .history
                .newer_than(plan.report.kind(), plan.order)
                .is_some()
            {
                return Ok(Written::Superseded);
            }
            locked.history
        } else {
            if locked.history != plan.state.history {
                return Ok(Written::Outdated);
            }
            plan.history.clone()
        };
        let mut is_repaired = plan.is_repaired;
        if plan.state.has_future_shipments && !progress.is_begun {
            is_repaired |= work.repair_shipments(vendor_id).await? > 0;
        }
        let changed = if plan.is_applied() {
            write_products(work.as_mut(), plan, chunk).await?
        } else {
            None
        };
        let is_news = changed.is_some();
        let changed = changed.unwrap_or(0);
        let mut ended_pause = None;
        let end = if is_last {
            let is_begun = is_news || progress.is_begun;
            let total = progress.changed + changed;
            let record = self.end(plan, is_begun, total, progress, &mut history);
            let freed = work.end_first_sync(vendor_id).await?;
            let finished_at = work.record_sync(vendor_id, &record, Some(&history)).await?;
            ended_pause = work.clear_pause(vendor_id).await?;
            Some((FinishedSync::new(finished_at, record), freed))
        } else {
            if is_news && !progress.is_begun {
                history.begin(plan.report, plan.order);
                work.save_history(vendor_id, &history).await?;
            }
            None
        };
        work.commit().await?;
        pauses::log_recovery(vendor_id, ended_pause);
        Ok(Written::Committed {
            is_news,
            changed,
            is_repaired,
            end,
        })
    }

    /// The result of a sync, and its traces in the history.
    fn end(
        &self,
        plan: &Plan<'_>,
        is_begun: bool,
        changed: u64,
        progress: &Progress,
        history: &mut ReportHistory,
    ) -> SyncRecord {
        let (outcome, error) = plan.outcome(is_begun);
        if outcome == SyncOutcome::Applied {
            history.apply(plan.report.kind(), plan.order, plan.proof);
        }
        SyncRecord {
            outcome,
            took: self.clock.now().since(progress.started),
            received: plan.report.quantities().len() as u64,
            changed,
            error,
        }
    }

    async fn end_superseded(
        &self,
        plan: &Plan<'_>,
        progress: &Progress,
        is_repaired: bool,
    ) -> Result<Option<(FinishedSync, u64, bool)>, SyncError> {
        let error = "a newer report was applied before all of this one was";
        let record = SyncRecord {
            outcome: SyncOutcome::Stale,
            took: self.clock.now().since(progress.started),
            received: plan.report.quantities().len() as u64,
            changed: progress.changed,
            error: Some(error.to_owned()),
        };
        let recorded = self.record(plan.vendor_id, &record, None).await?;
        let (finished_at, freed) =
            recorded.ok_or_else(|| SyncError::NotConfigured(plan.vendor_id.clone()))?;
        let finished = FinishedSync::new(finished_at, record);
        Ok(Some((finished, freed, is_repaired)))
    }

    /// Keeps the result of a sync that leaves the history as it is, with `failure` if the vendor failed. Returns the time and
    /// the number of orders that are free now; `None` if the vendor is not configured.
    pub(super) async fn record(
        &self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        failure: Option<&FeedError>,
    ) -> Result<Option<(Timestamp, u64)>, StoreError> {
        retry::on_conflict(&self.clock, || async move {
            let mut work = self.store.begin().await?;
            if work.lock_vendor(vendor_id).await?.is_none() {
                return Ok(None);
            }
            let freed = work.end_first_sync(vendor_id).await?;
            let finished_at = work.record_sync(vendor_id, record, None).await?;
            let (mut pause, mut ended_pause) = (None, None);
            if let Some(error) = failure {
                let interval = self.intervals.get(vendor_id).copied();
                let work = work.as_mut();
                let recorded =
                    pauses::record_failure(work, vendor_id, interval, error, finished_at);
                pause = Some((error, recorded.await?));
            } else if record.outcome != SyncOutcome::Failed {
                ended_pause = work.clear_pause(vendor_id).await?;
            }
            work.commit().await?;
            if let Some((error, pause)) = pause {
                pauses::log_pause(vendor_id, error, &pause);
            }
            pauses::log_recovery(vendor_id, ended_pause);
            Ok(Some((finished_at, freed)))
        })
        .await
    }
}

async fn next(chunks: &mut Option<Chunks<'_>>) -> Result<Option<Chunk>, StoreError> {
    match chunks {
        Some(chunks) => chunks.next().await,
        None => Ok(None),
    }
}
