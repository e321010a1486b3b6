//! The plan for a report, decided from the history of its vendor's reports, and checked again under the vendor's lock.

use super::SyncError;
use super::pauses::FetchOutcome;
use crate::comparison::Comparison;
use crate::evidence::{Assessment, Proof, ReportOrder};
use crate::identifiers::VendorId;
use crate::ports::{SyncOutcome, UnitOfWork, VendorFeed, VendorSyncState};
use crate::report::{Report, ReportKind};
use crate::report_history::{QuarantinedReport, ReportHistory, Verdict, with_lag};

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
    /// Whether the report was requested from the vendor by this sync.
    is_fetched: bool,
    /// The outcome and the reason if the report is not applied; `None` if it is.
    refusal: Option<(SyncOutcome, String)>,
}

impl<'r> Plan<'r> {
    /// Adjusts the assessment of the report's times to earlier claims and decides on the report.
    pub(super) fn of_incoming(
        feed: &'r dyn VendorFeed,
        report: &'r Report,
        assessment: &Assessment,
        state: VendorSyncState,
    ) -> Self {
        let lag = feed.lag();
        let mut history = state.history.clone();
        let is_repaired = history.remove_future_entries(state.now);
        let assessment = history.adjust_to_claims(assessment.clone());
        let (order, proof) = (assessment.order, with_lag(assessment.proof, lag));
        let refusal = match history.decide(report, &assessment, state.has_stock) {
            Verdict::Apply => None,
            Verdict::Stale { newer } => Some((SyncOutcome::Stale, stale(order, newer))),
            Verdict::Quarantine => {
                history.quarantine(assessment, lag);
                let reason = "the report is empty and the previous one was not; \
                              a second empty report or an operator must confirm it";
                Some((SyncOutcome::Quarantined, reason.to_owned()))
            }
        };
        let mut applied = history.clone();
        applied.apply(report.kind(), order, proof);
        Self {
            vendor_id: feed.vendor_id(),
            report,
            order,
            proof,
            is_expired: (feed.max_age()).is_some_and(|max| applied.is_older_than(max, state.now)),
            state,
            history,
            is_repaired,
            is_fetched: true,
            refusal,
        }
    }

    /// The plan that applies a quarantined report; `empty` is such a report.
    pub(super) fn of_quarantined(
        vendor_id: &'r VendorId,
        empty: &'r Report,
        quarantined: &QuarantinedReport,
        state: VendorSyncState,
    ) -> Self {
        let order = quarantined.order;
        let mut history = state.history.clone();
        // The quarantined report can be older only if a second empty report was begun, which keeps the first.
        let newer = history.newer_than(empty.kind(), order);
        if newer.is_some() {
            history.quarantined = None;
        }
        Self {
            vendor_id,
            report: empty,
            order,
            proof: quarantined.proof,
            // An empty report has no units that could expire.
            is_expired: false,
            state,
            history,
            is_repaired: false,
            is_fetched: false,
            refusal: newer.map(|newer| (SyncOutcome::Stale, stale(order, newer))),
        }
    }

    pub(super) fn is_applied(&self) -> bool {
        self.refusal.is_none()
    }

    /// Locks the vendor and returns its history; `None` if the vendor was switched on again since the plan was made.
    pub(super) async fn lock(
        &self,
        work: &mut dyn UnitOfWork,
    ) -> Result<Option<ReportHistory>, SyncError> {
        let locked = work.lock_vendor(self.vendor_id).await?;
        let locked = locked.ok_or_else(|| SyncError::NotConfigured(self.vendor_id.clone()))?;
        let is_same = locked.configured_at == self.state.configured_at;
        Ok(is_same.then_some(locked.history))
    }

    /// Whether the chunks come from a comparison with rows that were read without a lock.
    pub(super) fn is_compared(&self) -> bool {
        self.is_applied() && self.report.kind() == ReportKind::Full
    }

    /// Whether the plan is still valid for a vendor with this history.
    pub(super) fn is_current(&self, locked: &ReportHistory) -> bool {
        if self.is_compared() {
            *locked == self.state.history
        } else {
            locked.is_of_same_reports(&self.state.history)
        }
    }

    /// The history to record in place of `locked`, before the report is applied.
    pub(super) fn history_over(&self, locked: &ReportHistory) -> ReportHistory {
        ReportHistory {
            revision: locked.revision,
            ..self.history.clone()
        }
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
