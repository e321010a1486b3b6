//! The plan for a report, decided from the history of its vendor's reports, and checked again under the vendor's lock.

use std::time::Duration;

use super::SyncError;
use super::pauses::FetchOutcome;
use crate::comparison::Comparison;
use crate::evidence::{Assessment, Claim, Proof, ReportOrder};
use crate::guard::Guard;
use crate::identifiers::VendorId;
use crate::ports::{FetchedReport, SyncOutcome, UnitOfWork, VendorFeed, VendorSyncState};
use crate::report::{Report, ReportKind};
use crate::report_history::{
    EMPTY_AFTER_STOCK, QuarantinedReport, Quarantining, ReportHistory, Verdict, with_lag,
};
use crate::run::ReportSize;
use crate::timestamp::Timestamp;
use crate::validators::Validators;

/// The decision on a report.
pub(super) struct Plan<'r> {
    pub(super) vendor_id: &'r VendorId,
    pub(super) report: &'r Report,
    pub(super) order: ReportOrder,
    pub(super) proof: Proof,
    /// Whether the report is older than the vendor's `max_age` allows.
    pub(super) is_expired: bool,
    /// The state that the plan was made from.
    pub(super) state: VendorSyncState,
    /// The history to record, before the report is applied.
    pub(super) history: ReportHistory,
    /// Whether entries later than the store's clock were removed from the history.
    pub(super) is_repaired: bool,
    /// The vendor's guard, if it must be decided; `None` for a report that is not applied or was confirmed otherwise.
    pub(super) guard: Option<Guard>,
    /// The verdict of the guard, on one line; `None` before it is decided. That of a report from the quarantine is known.
    pub(super) verdict: Option<String>,
    /// The result of holding the report; `None` if it is not held.
    pub(super) quarantining: Option<Quarantining>,
    size: ReportSize,
    file: Option<&'r str>,
    claim: Option<Claim>,
    /// The validators of the report, if it has any.
    validators: Option<Validators>,
    /// The report in quarantine that this one confirms, or is.
    confirms: Option<ReportOrder>,
    /// The time of the request that identifies the lines that the quarantine needs and does not have yet.
    pub(super) lines_to_keep: Option<Timestamp>,
    /// Whether the report was requested from the vendor by this sync.
    is_fetched: bool,
    /// The outcome and the reason if the report is not applied; `None` if it is.
    refusal: Option<(SyncOutcome, String)>,
}

impl<'r> Plan<'r> {
    /// Adjusts the assessment of the report's times to earlier claims and decides on the report.
    pub(super) fn of_incoming(
        feed: &'r dyn VendorFeed,
        fetched: &'r FetchedReport,
        assessment: &Assessment,
        state: VendorSyncState,
    ) -> Self {
        let (report, lag) = (&fetched.report, feed.lag());
        let mut history = state.history.clone();
        let is_repaired = history.remove_future_entries(state.now);
        let assessment = history.adjust_to_claims(assessment.clone());
        let (order, proof) = (assessment.order, with_lag(assessment.proof, lag));
        let verdict = history.decide(report, &assessment, state.has_stock);
        let mut applied = history.clone();
        applied.apply(report.kind(), order, proof);
        let guard = feed.guard();
        let mut plan = Self {
            vendor_id: feed.vendor_id(),
            report,
            order,
            proof,
            is_expired: (feed.max_age()).is_some_and(|max| applied.is_older_than(max, state.now)),
            state,
            history,
            is_repaired,
            guard: None,
            verdict: None,
            quarantining: None,
            size: fetched.size,
            file: fetched.file.as_deref(),
            claim: assessment.claim,
            validators: None,
            confirms: None,
            lines_to_keep: None,
            is_fetched: true,
            refusal: None,
        };
        match verdict {
            Verdict::Apply => plan.guard = guard.is_set(report.kind()).then_some(guard),
            Verdict::Confirm => plan.confirm(),
            Verdict::Stale { newer } => {
                plan.refusal = Some((SyncOutcome::Stale, stale(order, newer)));
            }
            Verdict::Quarantine => plan.hold(EMPTY_AFTER_STOCK.to_owned()),
        }
        plan
    }

    /// The plan that applies a quarantined report. `max_age` is the vendor's setting.
    pub(super) fn of_quarantined(
        vendor_id: &'r VendorId,
        report: &'r Report,
        quarantined: &'r QuarantinedReport,
        max_age: Option<Duration>,
        state: VendorSyncState,
    ) -> Self {
        let order = quarantined.order;
        let configured_at = state.configured_at;
        let mut history = state.history.clone();
        // The quarantined report can be older only if a report that confirms it was begun, which keeps it, or if a program of
        // an earlier version has applied one.
        let newer = history.newer_than(report.kind(), order);
        if newer.is_some() {
            history.quarantined = None;
        }
        let mut applied = history.clone();
        applied.apply(report.kind(), order, quarantined.proof);
        // An empty report has no units that could expire.
        let max_age = max_age.filter(|_| !report.is_empty());
        Self {
            vendor_id,
            report,
            order,
            proof: quarantined.proof,
            is_expired: max_age.is_some_and(|max| applied.is_older_than(max, state.now)),
            state,
            history,
            is_repaired: false,
            guard: None,
            verdict: quarantined.guard().map(str::to_owned),
            quarantining: None,
            size: quarantined.size,
            file: quarantined.file.as_deref(),
            claim: None,
            validators: None,
            confirms: Some(order),
            lines_to_keep: None,
            is_fetched: false,
            refusal: newer
                .map(|newer| stale(order, newer))
                .or_else(|| {
                    let is_before = |at: Timestamp| order.requested_at < at;
                    let was_switched_on = configured_at.is_some_and(is_before);
                    was_switched_on.then(|| SWITCHED_ON_SINCE.to_owned())
                })
                .map(|reason| (SyncOutcome::Stale, reason)),
        }
    }

    /// Sets the validators of the report.
    pub(super) fn with_validators(mut self, validators: Option<&Validators>) -> Self {
        self.validators = validators.cloned();
        self
    }

    pub(super) fn is_applied(&self) -> bool {
        self.refusal.is_none()
    }

    /// The report in quarantine with which this one may agree.
    pub(super) fn earlier(&self) -> Option<&QuarantinedReport> {
        self.history.confirmed_by(self.order, self.claim.as_ref())
    }

    /// Lets the report confirm the one in quarantine.
    pub(super) fn confirm(&mut self) {
        self.confirms = self.history.quarantined.as_ref().map(|it| it.order);
    }

    /// Whether the report confirms the one in quarantine, or is that one.
    pub(super) fn is_confirming(&self) -> bool {
        self.confirms.is_some()
    }

    /// Holds the report in quarantine, unless it or a newer one is there already. `reason` is one line.
    pub(super) fn hold(&mut self, reason: String) {
        let report = QuarantinedReport {
            order: self.order,
            claim: self.claim.clone(),
            proof: self.proof,
            kind: self.report.kind(),
            lines: self.received(),
            reason: reason.clone(),
            size: self.size,
            file: self.file.map(str::to_owned),
        };
        let lines_of = report.lines_of();
        let quarantining = self.history.quarantine(report);
        if quarantining != Quarantining::NotKept {
            self.lines_to_keep = lines_of;
        }
        self.quarantining = Some(quarantining);
        self.refusal = Some((SyncOutcome::Quarantined, reason));
    }

    /// Adds to the reason why the report is not applied, on the same line.
    pub(super) fn add_to_reason(&mut self, more: &str) {
        if let Some((_, reason)) = &mut self.refusal {
            reason.push_str("; ");
            reason.push_str(more);
        }
    }

    /// Whether the report has the claim of the one in quarantine.
    pub(super) fn has_claim_of(&self, earlier: &QuarantinedReport) -> bool {
        earlier.has_claim(self.claim.as_ref())
    }

    /// Whether lines may be left that the quarantine no longer needs, once the sync has ended.
    pub(super) fn leaves_unused_lines(&self) -> bool {
        let lines_of = |history: &ReportHistory| {
            let quarantined = history.quarantined.as_ref();
            quarantined.and_then(QuarantinedReport::lines_of)
        };
        let is_unchanged =
            !self.is_applied() && lines_of(&self.history) == lines_of(&self.state.history);
        self.state.has_quarantined_lines && !is_unchanged
    }

    /// Records in the history that a part of the report was applied.
    pub(super) fn begin(&self, history: &mut ReportHistory) {
        history.begin(self.report.kind(), self.order, self.is_confirming());
    }

    /// Records the end of the report in the history. A report that an operator accepted leaves the quarantine, also if it is
    /// not applied because its numbers are outdated.
    pub(super) fn end(&self, history: &mut ReportHistory, is_applied: bool) {
        if let Some(order) = self.confirms.filter(|_| is_applied || !self.is_fetched) {
            history.release(order);
        }
        if is_applied {
            history.apply(self.report.kind(), self.order, self.proof);
        }
    }

    /// Whether an operator accepted the report and it is no longer in quarantine: it was discarded since, or replaced.
    pub(super) fn has_left_quarantine(&self, locked: &ReportHistory) -> bool {
        let quarantined = locked.quarantined.as_ref().map(|it| it.order);
        !self.is_fetched && quarantined != self.confirms
    }

    /// Records that the report was applied to all of its products, so that it need not be read again while it is unchanged. A
    /// report that was applied because it confirms another one is read again: the guard may hold it the next time.
    pub(super) fn complete(&self, history: &mut ReportHistory) {
        if self.report.kind() == ReportKind::Full && !self.is_confirming() {
            history.validators.clone_from(&self.validators);
        }
    }

    /// Locks the vendor and returns its history; `None` if the vendor was switched on again since the plan was made, or if
    /// another sync has removed lines of this report that were kept for the quarantine.
    pub(super) async fn lock(
        &self,
        work: &mut dyn UnitOfWork,
    ) -> Result<Option<ReportHistory>, SyncError> {
        let locked = work.lock_vendor(self.vendor_id).await?;
        let locked = locked.ok_or_else(|| SyncError::NotConfigured(self.vendor_id.clone()))?;
        if let Some(requested_at) = self.lines_to_keep {
            let kept = work.count_quarantined_lines(self.vendor_id, requested_at);
            if kept.await? != self.received() {
                return Ok(None);
            }
        }
        let is_same = locked.configured_at == self.state.configured_at;
        Ok(is_same.then_some(locked.history))
    }

    /// Whether the chunks come from a comparison with rows that were read without a lock.
    pub(super) fn is_compared(&self) -> bool {
        self.is_applied() && self.report.kind() == ReportKind::Full
    }

    /// Whether the report's order may be recorded before the report is compared again. The guard was decided from rows that
    /// no other sync may have changed since.
    pub(super) fn may_begin(&self, locked: &ReportHistory) -> bool {
        match self.guard {
            Some(_) => *locked == self.state.history,
            None => locked.is_of_same_reports(&self.state.history),
        }
    }

    /// Whether the plan is still valid for a vendor with this history.
    pub(super) fn is_current(&self, locked: &ReportHistory) -> bool {
        if self.is_compared() || self.guard.is_some() {
            *locked == self.state.history
        } else {
            locked.is_of_same_reports(&self.state.history)
        }
    }

    /// The history to record in place of `locked`, before the report is applied.
    pub(super) fn history_over(&self, locked: &ReportHistory) -> ReportHistory {
        self.history.clone().with_progress_of(locked)
    }

    /// The result of the request to the vendor that returned the report.
    pub(super) fn fetch_outcome(&self) -> FetchOutcome<'static> {
        if self.is_fetched {
            FetchOutcome::Succeeded
        } else {
            FetchOutcome::None
        }
    }

    /// Number of lines in the report.
    pub(super) fn received(&self) -> u64 {
        self.report.quantities().len() as u64
    }

    pub(super) fn comparison(&self) -> Comparison<'r> {
        Comparison {
            report: self.report,
            order: self.order,
            proven_as_of: self.proof.ok().map(|proven| proven.as_of),
            now: self.state.now,
        }
    }

    /// The outcome of the sync, with the reason if the report was not applied. `is_begun` is whether the report's order is
    /// recorded, which for a delta is whether it affects any product.
    pub(super) fn outcome(&self, is_begun: bool) -> (SyncOutcome, Option<String>) {
        if let Some((outcome, reason)) = &self.refusal {
            return (*outcome, Some(reason.clone()));
        }
        // A full report that changes nothing counts as applied: it states every product.
        if !is_begun && self.report.kind() == ReportKind::Delta && !self.report.is_empty() {
            let reason = format!(
                "the delta is as of {}, and a newer report exists for each of its products",
                self.order.as_of
            );
            return (SyncOutcome::Stale, Some(reason));
        }
        (SyncOutcome::Applied, None)
    }
}

/// The reason why a report of a vendor that was switched off since is not applied.
const SWITCHED_ON_SINCE: &str =
    "the vendor was removed and added again since the report was requested";

fn stale(order: ReportOrder, newer: ReportOrder) -> String {
    let as_of = order.as_of;
    if newer.as_of == as_of {
        format!("a report as of {as_of}, like this one, was requested later and already applied")
    } else {
        format!(
            "the report is as of {as_of}, older than the applied report as of {}",
            newer.as_of
        )
    }
}
