//! The application of one report: decide, find the products to change, write them in chunks.
//!
//! The report is compared with the vendor's stock outside a transaction, page by page, so that a large report does not block
//! other writers. Only products that differ are written, at most one chunk per transaction: the vendor's row is locked, then
//! the chunk's stock, and both are consistent when the locks are released. A report of one chunk is usually one transaction.
//!
//! # Why an interrupted report is safe
//!
//! A product must never see an older report after a newer one: the newer one may have subtracted shipped units from the
//! units in flight, while the older one still counts them as stock. Therefore **the transaction of the first chunk records
//! the report's order as the newest applied one** ([`ReportHistory::begin`]). If the process ends between two chunks:
//!
//! - A report that is older than the interrupted one is stale, as if the interrupted one were applied completely. So each
//!   product sees reports in rising order only; it may miss some.
//! - A product of a chunk that was not written keeps its last count, and every shipment since then stays in flight: too few
//!   units may be available, never too many. Orders, shipments and cancellations in between lock the same rows as usual.
//! - The same report, or a newer one, is not stale when it is read again. It finds the remaining differences and completes
//!   the application.
//! - A delta's lines are compared with their rows under the vendor's lock, and the written rows get the delta's order.
//! - The proof of the report, the result of the sync and the end of the vendor's first sync are written with the last chunk,
//!   so the vendor's evidence and age are those of the last completely applied report.
//!
//! **A product whose rows another transaction holds for a long time** does not delay other products: it is deferred, tried
//! again at the end, and otherwise keeps its last count, like a product of a chunk that was not written.
//!
//! # Concurrent syncs of one vendor
//!
//! Each chunk checks under the vendor's lock whether a newer report was begun, and ends its sync if so. Each chunk also
//! increments the history's [revision](crate::report_history::ReportHistory::revision), and a sync of a full report checks
//! before its first chunk that the revision is the one that it read: otherwise an older sync may have written products after
//! they were compared. In that case the sync records its order, which ends all older syncs, and compares again.
//!
//! An operator who discards a report while it is being applied ends its application with the next chunk.
//!
//! # The guard
//!
//! The vendor's guard is decided over the whole report before its first chunk is written, from the compared rows, and again
//! with each comparison. Such a report also checks the revision before its order is recorded, because a report that is held
//! must not make others stale.
//!
//! [`ReportHistory::begin`]: crate::report_history::ReportHistory::begin

use std::ops::ControlFlow;
use std::time::Duration;

use tracing::warn;

use super::chunks::{Chunk, Chunks, WrittenProducts, repair, write_products};
use super::pauses::{FetchOutcome, PauseChange};
use super::plan::Plan;
use super::progress::{Ended, Progress, Stage};
use super::{SyncError, VendorSync};
use crate::evidence::Proof;
use crate::identifiers::VendorId;
use crate::ports::{
    FinishedSync, LockedVendor, StoreError, SyncOutcome, SyncRecord, Topic, UnitOfWork,
    VendorSyncState,
};
use crate::report::ReportKind;
use crate::report_history::ReportHistory;
use crate::retry;
use crate::services::stock_locks::{Locking, MAX_LOCK_WAIT};

/// Maximum time that a sync spends on deferred products, after all others are written.
const MAX_HELD_WAIT: Duration = Duration::from_secs(3);

/// Maximum number of comparisons of one report while other syncs change the compared rows.
const MAX_COMPARISONS: usize = 8;

/// The state after a step: the application continues, or has ended; `None` if the plan is outdated.
type Flow = ControlFlow<Option<Ended>>;

/// The result of the transaction of a chunk.
enum Written {
    Committed {
        products: WrittenProducts,
        is_repaired: bool,
        /// Set with the last chunk, if no product of any chunk was held.
        ended: Option<Ended>,
    },
    /// The plan is outdated, or its report has left the quarantine; nothing was written.
    Outdated,
    /// A newer report was begun meanwhile; nothing was written.
    Superseded,
}

impl VendorSync {
    /// Handles a report according to the plan that `decide` makes from the vendor's state; `None` if it makes none. Returns
    /// the end of the sync, and what the report proves.
    pub(super) async fn handle<'r>(
        &self,
        vendor_id: &VendorId,
        progress: &mut Progress,
        decide: impl Fn(VendorSyncState) -> Option<Plan<'r>> + Send,
    ) -> Result<Option<(Ended, Proof)>, SyncError> {
        for comparison in 0..MAX_COMPARISONS {
            let state = self.queries.find_sync_state(vendor_id).await?;
            let state = state.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
            let Some(mut plan) = decide(state) else {
                return Ok(None);
            };
            progress.restart();
            progress.details.proven = plan.proof.ok();
            self.guard(&mut plan).await?;
            progress.details.guard.clone_from(&plan.verdict);
            if comparison > 0 && plan.is_compared() && !self.begin(&plan, progress).await? {
                continue;
            }
            if let Some(ended) = self.run(&plan, progress).await? {
                self.remove_unused_lines(&plan).await;
                return Ok(Some((ended, plan.proof)));
            }
        }
        let reason = "concurrent syncs of the vendor kept changing its stock";
        Err(StoreError::Conflict(reason.to_owned()).into())
    }

    /// Records the order of a report before it is compared: from now on no older report is applied. Returns whether the plan
    /// is still valid.
    async fn begin(&self, plan: &Plan<'_>, progress: &mut Progress) -> Result<bool, SyncError> {
        let begun = retry::on_conflict(&self.clock, || self.record_begin(plan)).await?;
        if let Some(is_repaired) = begun {
            progress.stage = Stage::Begun;
            progress.is_repaired |= is_repaired;
        }
        Ok(begun.is_some())
    }

    /// Returns whether the history was repaired; `None` if the plan is outdated.
    async fn record_begin(&self, plan: &Plan<'_>) -> Result<Option<bool>, SyncError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = plan.lock(work.as_mut()).await? else {
            return Ok(None);
        };
        if !plan.may_begin(&locked) {
            return Ok(None);
        }
        let is_repaired = repair(work.as_mut(), plan).await?;
        let mut history = plan.history_over(&locked);
        plan.begin(&mut history);
        work.save_history(plan.vendor_id, &history).await?;
        work.commit().await?;
        Ok(Some(is_repaired))
    }

    /// Runs a plan chunk by chunk; `None` if the plan is outdated.
    async fn run(
        &self,
        plan: &Plan<'_>,
        progress: &mut Progress,
    ) -> Result<Option<Ended>, SyncError> {
        let mut chunks = Chunks::new(self.queries.as_ref(), plan, self.chunk_size);
        let mut chunk = chunks.next().await?.unwrap_or_default();
        loop {
            let following = chunks.next().await?;
            let is_last = following.is_none();
            let flow = self.write_chunk(plan, &chunk, is_last, progress).await?;
            match (flow, following) {
                (Flow::Break(ended), _) => return Ok(ended),
                (Flow::Continue(()), Some(following)) => chunk = following,
                (Flow::Continue(()), None) => return self.end_with_held(plan, progress).await,
            }
        }
    }

    /// Writes a chunk. Waits for its locks in the first attempt only: later attempts defer products that other transactions
    /// hold.
    async fn write_chunk(
        &self,
        plan: &Plan<'_>,
        chunk: &Chunk,
        is_last: bool,
        progress: &mut Progress,
    ) -> Result<Flow, SyncError> {
        let current = &*progress;
        let mut locking = Locking::Wait;
        let write = || self.write(plan, chunk, is_last, current, locking.next());
        let written = retry::on_conflict(&self.clock, write).await?;
        self.advance(plan, progress, written).await
    }

    async fn advance(
        &self,
        plan: &Plan<'_>,
        progress: &mut Progress,
        written: Written,
    ) -> Result<Flow, SyncError> {
        Ok(match written {
            Written::Outdated => Flow::Break(None),
            Written::Superseded => Flow::Break(Some(self.end_superseded(plan, progress).await?)),
            Written::Committed {
                products,
                is_repaired,
                ended,
            } => {
                if products.affects_any {
                    progress.stage = Stage::Begun;
                }
                progress.changed += products.changed;
                progress.counted.add(products.counted);
                progress.held.extend(products.held);
                progress.is_repaired |= is_repaired;
                if ended.is_none() && products.changed > 0 {
                    self.notifier.notify(Topic::Changes);
                }
                ended.map_or(Flow::Continue(()), |ended| Flow::Break(Some(ended)))
            }
        })
    }

    /// Tries the deferred products once more, one by one and for a bounded time, and ends the sync. Products that are still
    /// held are left to the next sync of a full report; a delta fails, because the vendor may not send its lines again.
    async fn end_with_held(
        &self,
        plan: &Plan<'_>,
        progress: &mut Progress,
    ) -> Result<Option<Ended>, SyncError> {
        let begun_at = self.clock.now();
        for product_id in std::mem::take(&mut progress.held) {
            if self.clock.now().since(begun_at) > MAX_HELD_WAIT {
                progress.left.push(product_id);
                continue;
            }
            let chunk = Chunk::of_existing(product_id.clone());
            let written = self.write(plan, &chunk, false, progress, Locking::Wait);
            match written.await {
                Ok(written) => {
                    if let Flow::Break(ended) = self.advance(plan, progress, written).await? {
                        return Ok(ended);
                    }
                }
                Err(SyncError::Store(error)) if error.is_conflict() => {
                    progress.left.push(product_id);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(reason) = progress.left_reason() {
            warn!(vendor.id = %plan.vendor_id, %reason, "report was not applied to all of its products");
            if plan.report.kind() == ReportKind::Delta {
                return Err(StoreError::Conflict(reason).into());
            }
        }
        let none = Chunk::default();
        match self.write_chunk(plan, &none, true, progress).await? {
            Flow::Break(ended) => Ok(ended),
            Flow::Continue(()) => {
                let reason = "the last chunk of a report did not end its sync";
                Err(StoreError::Failed(reason.into()).into())
            }
        }
    }

    /// Writes one chunk and, with the last one, the result.
    async fn write(
        &self,
        plan: &Plan<'_>,
        chunk: &Chunk,
        is_last: bool,
        progress: &Progress,
        locking: Locking,
    ) -> Result<Written, SyncError> {
        let mut work = self.store.begin().await?;
        // A conflict is retried a few times, without locks in between.
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = plan.lock(work.as_mut()).await? else {
            return Ok(Written::Outdated);
        };
        let mut is_repaired = false;
        let mut history = match progress.stage {
            Stage::Planned if !plan.is_current(&locked) => return Ok(Written::Outdated),
            Stage::Planned => {
                is_repaired = repair(work.as_mut(), plan).await?;
                plan.history_over(&locked)
            }
            Stage::Begun => {
                let newer = locked.newer_than(plan.report.kind(), plan.order);
                if newer.is_some() {
                    return Ok(Written::Superseded);
                }
                if plan.has_left_quarantine(&locked) {
                    return Ok(Written::Outdated);
                }
                locked
            }
        };
        let products = write_products(work.as_mut(), plan, chunk, locking).await?;
        let mut ended = None;
        let mut pause = PauseChange::None;
        if is_last && products.held.is_empty() && progress.held.is_empty() {
            let record = self.result(plan, &products, progress, &mut history);
            let (work, history) = (work.as_mut(), Some(&history));
            let end = self.end(work, plan.vendor_id, record, history, plan.fetch_outcome());
            let (end, change) = end.await?;
            (ended, pause) = (Some(end), change);
        } else if products.affects_any {
            plan.begin(&mut history);
            work.save_history(plan.vendor_id, &history).await?;
        }
        work.commit().await?;
        pause.log(plan.vendor_id);
        Ok(Written::Committed {
            products,
            is_repaired,
            ended,
        })
    }

    /// The result of a sync whose last chunk wrote `products`. An applied report is also recorded in the history.
    fn result(
        &self,
        plan: &Plan<'_>,
        products: &WrittenProducts,
        progress: &Progress,
        history: &mut ReportHistory,
    ) -> SyncRecord {
        let is_begun = products.affects_any || progress.stage == Stage::Begun;
        let (outcome, mut error) = plan.outcome(is_begun);
        if outcome == SyncOutcome::Applied {
            error = progress.left_reason();
            // A confirmed report that left products out stays confirmed, so that the next one is applied to them.
            if error.is_none() || !plan.is_confirming() {
                plan.end(history, true);
            }
            if error.is_none() {
                plan.complete(history);
            }
        } else {
            plan.end(history, false);
            history.validators = None;
        }
        let mut record = progress.record(self.clock.now(), outcome, plan.received(), error);
        record.changed += products.changed;
        record.details.products = progress.products_after(plan, products.counted, outcome);
        record
    }

    async fn end_superseded(
        &self,
        plan: &Plan<'_>,
        progress: &Progress,
    ) -> Result<Ended, SyncError> {
        let error = "a newer report was applied before this one was complete".to_owned();
        let (now, received) = (self.clock.now(), plan.received());
        let record = progress.record(now, SyncOutcome::Stale, received, Some(error));
        let ended = self
            .record_end(plan.vendor_id, &record, plan.fetch_outcome(), |_| Ok(None))
            .await?;
        ended.ok_or_else(|| SyncError::NotConfigured(plan.vendor_id.clone()))
    }

    /// Records the result of a sync without a report to apply; `None` if the vendor is not configured. `change` returns the
    /// vendor's history if it must be saved.
    pub(super) async fn record_end(
        &self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        fetch_outcome: FetchOutcome<'_>,
        change: impl Fn(LockedVendor) -> Result<Option<ReportHistory>, StoreError> + Sync,
    ) -> Result<Option<Ended>, StoreError> {
        let change = &change;
        retry::on_conflict(&self.clock, || async move {
            let mut work = self.store.begin().await?;
            let Some(locked) = work.lock_vendor(vendor_id).await? else {
                return Ok(None);
            };
            let history = change(locked)?;
            let (store, record) = (work.as_mut(), record.clone());
            let end = self.end(store, vendor_id, record, history.as_ref(), fetch_outcome);
            let (ended, pause) = end.await?;
            work.commit().await?;
            pause.log(vendor_id);
            Ok(Some(ended))
        })
        .await
    }

    /// Writes the end of a sync. Returns the change of the vendor's pause too, to be logged after the commit.
    async fn end<'e>(
        &self,
        work: &mut dyn UnitOfWork,
        vendor_id: &VendorId,
        record: SyncRecord,
        history: Option<&ReportHistory>,
        fetch_outcome: FetchOutcome<'e>,
    ) -> Result<(Ended, PauseChange<'e>), StoreError> {
        let freed = match record.outcome {
            SyncOutcome::NotReady => 0,
            _ => work.end_first_sync(vendor_id).await?,
        };
        let finished_at = work.record_sync(vendor_id, &record, history).await?;
        let interval = self.intervals.get(vendor_id).copied();
        let pause = fetch_outcome.record(work, vendor_id, interval, finished_at);
        let pause = pause.await?;
        let finished = FinishedSync::new(finished_at, record);
        Ok((Ended { finished, freed }, pause))
    }
}
