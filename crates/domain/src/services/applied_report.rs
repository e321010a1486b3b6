//! One report inside a transaction: recall its claim, judge it, decide what it changes, write that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::vendor_sync::SyncError;
use crate::evidence::{Assessment, Proof, ReportOrder};
use crate::identifiers::VendorId;
use crate::ports::{SyncOutcome, UnitOfWork, VendorSyncState};
use crate::reconciliation::reconcile;
use crate::report::{Report, ReportKind};
use crate::report_history::{ReportHistory, Verdict, with_lag};

/// A report and what its times amount to.
pub(super) struct Incoming<'r> {
    pub(super) vendor_id: &'r VendorId,
    pub(super) report: &'r Report,
    pub(super) assessment: &'r Assessment,
    pub(super) lag: Duration,
    pub(super) max_age: Option<Duration>,
}

/// What became of a report.
pub(super) struct Handled {
    pub(super) outcome: SyncOutcome,
    /// Products that changed.
    pub(super) changed: u64,
    pub(super) error: Option<String>,
    /// The history to record.
    pub(super) history: ReportHistory,
    /// What the report proves.
    pub(super) proof: Proof,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
}

/// Handles a report of a vendor whose row is locked; only the result remains to be recorded.
pub(super) async fn handle(
    work: &mut dyn UnitOfWork,
    state: VendorSyncState,
    incoming: &Incoming<'_>,
) -> Result<Handled, SyncError> {
    let Incoming {
        vendor_id,
        report,
        assessment,
        lag,
        max_age,
    } = *incoming;
    let mut history = state.history;
    let mut is_repaired = history.forget_future(state.now);
    if state.has_future_shipments {
        is_repaired |= work.repair_shipments(vendor_id).await? > 0;
    }
    let assessment = history.recall(assessment.clone());
    let proof = with_lag(assessment.proof, lag);
    let handled = |outcome, changed, error, history| Handled {
        outcome,
        changed,
        error,
        history,
        proof,
        is_repaired,
    };
    let as_of = assessment.order.as_of;
    match history.judge(report, &assessment, state.has_stock) {
        Verdict::Stale { newer } => Ok(handled(
            SyncOutcome::Stale,
            0,
            Some(if newer.as_of == as_of {
                format!(
                    "the report is true as of {as_of}, as one that was requested later and applied"
                )
            } else {
                format!(
                    "the report is true as of {as_of}, before the one of {} that was applied",
                    newer.as_of
                )
            }),
            history,
        )),
        Verdict::Quarantine => {
            history.quarantine(assessment, lag);
            let error = "the report is empty and the one before was not; \
                         a second one or an operator confirms it"
                .to_owned();
            Ok(handled(SyncOutcome::Quarantined, 0, Some(error), history))
        }
        Verdict::Apply => {
            let order = assessment.order;
            let mut applied = history.clone();
            applied.apply(report.kind(), order, proof);
            let is_expired = max_age.is_some_and(|max| applied.is_older_than(max, state.now));
            let written = write(work, vendor_id, report, order, proof, is_expired).await?;
            if let Some(changed) = written {
                history = applied;
                Ok(handled(SyncOutcome::Applied, changed, None, history))
            } else {
                let error = format!(
                    "the delta is true as of {as_of}, and each of its products has a newer report"
                );
                Ok(handled(SyncOutcome::Stale, 0, Some(error), history))
            }
        }
    }
}

/// Writes what a report changes and returns the number of products; `None` for a delta of which each line is older than
/// its position.
pub(super) async fn write(
    work: &mut dyn UnitOfWork,
    vendor_id: &VendorId,
    report: &Report,
    order: ReportOrder,
    proof: Proof,
    is_expired: bool,
) -> Result<Option<u64>, SyncError> {
    let proven_as_of = proof.ok().map(|proven| proven.as_of);
    let affected = work
        .affected_by(vendor_id, report, order, proven_as_of)
        .await?;
    let is_delta = report.kind() == ReportKind::Delta;
    if affected.is_empty() {
        let is_stale = is_delta && !report.quantities().is_empty();
        return Ok((!is_stale).then_some(0));
    }
    let stock = work.lock_stock(&affected).await?;
    let included = match proven_as_of {
        Some(as_of) => work.mark_known(vendor_id, &affected, as_of).await?,
        None => BTreeMap::new(),
    };
    let changes = reconcile(vendor_id, report, order.as_of, stock, &included, is_expired)?;
    if !changes.is_empty() {
        work.save_stock(&changes).await?;
    }
    if is_delta {
        // Also for lines that repeat the number: an older line that arrives later is then recognised.
        work.advance_as_of(vendor_id, &affected, order).await?;
    }
    Ok(Some(changes.len() as u64))
}
