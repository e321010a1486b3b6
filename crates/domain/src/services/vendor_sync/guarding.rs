//! The guard of a vendor within a sync: decides whether a report is held, before any part of it is written.
//!
//! The effect of a report is summed over the whole report, from rows that are read outside a transaction. The sync that
//! follows checks under the vendor's lock that no other one has written since: otherwise the guard is decided again. A report
//! that the guard holds is applied if it agrees with the one in quarantine ([`Guard::agrees`]).
//!
//! [`Guard::agrees`]: crate::guard::Guard::agrees

use tracing::info;

use super::chunks::CHUNKS_PER_PAGE;
use super::plan::Plan;
use super::{SyncError, VendorSync};
use crate::guard::{Effect, Guard};
use crate::identifiers::ProductId;
use crate::report::{Report, ReportKind};
use crate::report_history::Quarantining;

impl VendorSync {
    /// Decides the guard of a plan, if it has one, and keeps the lines of a report that goes into quarantine.
    pub(super) async fn guard(&self, plan: &mut Plan<'_>) -> Result<(), SyncError> {
        if let Some(guard) = plan.guard {
            let (kind, rows) = (plan.report.kind(), plan.received());
            let effect = self.effect(plan, guard, None).await?;
            let verdict = guard.check(kind, rows, &effect);
            if verdict.is_held() {
                if self.agrees_with_earlier(plan, guard).await? {
                    info!(
                        vendor.id = %plan.vendor_id,
                        %verdict,
                        "the report agrees with the one in quarantine and is applied"
                    );
                    plan.confirm();
                } else {
                    plan.hold(verdict.to_string());
                }
            }
            plan.verdict = Some(verdict.to_string());
        }
        if let Some(loss) = self.loss(plan).await? {
            plan.add_to_reason(&loss);
        }
        self.keep_lines(plan).await
    }

    /// States which lines are in no report that is kept, because this report was held; `None` if there are none. A full report
    /// that is replaced by another one is no loss.
    async fn loss(&self, plan: &Plan<'_>) -> Result<Option<String>, SyncError> {
        let kind = plan.report.kind();
        let earlier = match &plan.quarantining {
            None | Some(Quarantining::Kept { replaced: None }) => return Ok(None),
            Some(Quarantining::Kept {
                replaced: Some(replaced),
            }) => {
                let is_lost = [kind, replaced.kind].contains(&ReportKind::Delta);
                let loss = format!(
                    "the {} as of {} that was in quarantine is dropped",
                    name(replaced.kind),
                    replaced.order.as_of
                );
                return Ok(is_lost.then_some(loss));
            }
            Some(Quarantining::NotKept) => plan.history.quarantined.as_ref(),
        };
        let Some(earlier) = earlier else {
            return Ok(None);
        };
        let of_earlier = format!("{} as of {}", name(earlier.kind), earlier.order.as_of);
        if !plan.has_claim_of(earlier) {
            return Ok(Some(format!(
                "it is not kept, because a newer report is in quarantine, the {of_earlier}"
            )));
        }
        // Two documents can state the same time.
        let first = self.load_lines(plan.vendor_id, earlier).await?;
        let is_same = first.is_none_or(|first| {
            first.kind() == kind && first.quantities() == plan.report.quantities()
        });
        let loss = format!(
            "it is not kept, because another report with its time is in quarantine, the {of_earlier}"
        );
        Ok((!is_same).then_some(loss))
    }

    /// Whether the report agrees with the one in quarantine, if there is one.
    async fn agrees_with_earlier(&self, plan: &Plan<'_>, guard: Guard) -> Result<bool, SyncError> {
        let kind = plan.report.kind();
        let Some(earlier) = plan.earlier().filter(|earlier| earlier.kind == kind) else {
            return Ok(false);
        };
        let Some(first) = self.load_lines(plan.vendor_id, earlier).await? else {
            return Ok(false);
        };
        if !guard.agrees(&first, plan.report) {
            return Ok(false);
        }
        if kind == ReportKind::Full {
            return Ok(true);
        }
        // The first delta does not confirm products that only the second one names.
        let others = self.effect(plan, guard, Some(&first)).await?;
        Ok(!guard.check(kind, plan.received(), &others).is_held())
    }

    /// Sums the effect of a report, without the products that `confirmed` names.
    async fn effect(
        &self,
        plan: &Plan<'_>,
        guard: Guard,
        confirmed: Option<&Report>,
    ) -> Result<Effect, SyncError> {
        if !guard.needs_effect(plan.report.kind(), plan.received()) {
            return Ok(Effect::default());
        }
        match plan.report.kind() {
            ReportKind::Full => self.effect_of_full(plan).await,
            ReportKind::Delta => self.effect_of_delta(plan, confirmed).await,
        }
    }

    async fn effect_of_full(&self, plan: &Plan<'_>) -> Result<Effect, SyncError> {
        let limit = self.chunk_size.max(1).saturating_mul(CHUNKS_PER_PAGE);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let lines = plan.report.quantities();
        let mut effect = Effect::default();
        let (mut known, mut after) = (0, None);
        loop {
            let rows = self
                .queries
                .list_reported_stock(plan.vendor_id, after, limit);
            let rows = rows.await?;
            for row in &rows {
                let units = plan.report.quantity_of(&row.product_id);
                effect.add(row.reported, units.unwrap_or(row.reported));
                known += u64::from(lines.contains_key(&row.product_id));
            }
            let is_last = u32::try_from(rows.len()).is_ok_and(|rows| rows < limit);
            if is_last {
                effect.add_new(plan.received().saturating_sub(known));
                return Ok(effect);
            }
            after = rows.into_iter().next_back().map(|row| row.product_id);
        }
    }

    /// A line that is older than its row has no effect.
    async fn effect_of_delta(
        &self,
        plan: &Plan<'_>,
        confirmed: Option<&Report>,
    ) -> Result<Effect, SyncError> {
        let comparison = plan.comparison();
        let mut effect = Effect::default();
        let mut product_ids = plan.report.quantities().keys().filter(|product_id| {
            confirmed.is_none_or(|first| !first.quantities().contains_key(*product_id))
        });
        loop {
            let chunk: Vec<ProductId> = product_ids
                .by_ref()
                .take(self.chunk_size.max(1))
                .cloned()
                .collect();
            if chunk.is_empty() {
                break;
            }
            let mut work = self.store.begin().await?;
            let rows = work.find_reported_stock(plan.vendor_id, &chunk).await?;
            drop(work);
            for row in rows {
                let line = plan.report.quantity_of(&row.product_id);
                let units = line.filter(|_| comparison.affects(line, Some(&row)));
                effect.add(row.reported, units.unwrap_or(row.reported));
            }
        }
        if effect.units_lost == 0 {
            return Ok(effect);
        }
        let totals = self.queries.sum_reported_stock(plan.vendor_id).await?;
        Ok(effect.out_of(totals.units, totals.products))
    }
}

fn name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Full => "full report",
        ReportKind::Delta => "delta",
    }
}
