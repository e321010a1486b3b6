//! The history of a vendor's reports. It ensures that a repeated claim never gets a later effective as-of, and detects
//! reports that are older than an applied one.

mod known_claim;

use std::time::Duration;

use crate::evidence::{
    Assessment, Claim, NoEvidence, Proof, Proven, ReportOrder, assess_unread_file,
};
use crate::report::{Report, ReportKind};
use crate::run::ReportSize;
use crate::timestamp::Timestamp;
use crate::validators::Validators;
use known_claim::relation;
pub use known_claim::{KnownClaim, MAX_CLAIMS};

/// The reason why an empty full report is in quarantine.
pub const EMPTY_AFTER_STOCK: &str = "the report is empty and the previous one was not; \
                                     a second empty report or an operator must confirm it";

/// A report that is held until a later one agrees with it or an operator decides. The store keeps its lines, if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedReport {
    /// The order of the report among the vendor's reports. The time of its request identifies its lines.
    pub order: ReportOrder,
    /// The claim of the report, if it has one.
    pub claim: Option<Claim>,
    /// The proof of the report, after the vendor's lag was subtracted.
    pub proof: Proof,
    /// The kind of the report.
    pub kind: ReportKind,
    /// Number of lines in the report.
    pub lines: u64,
    /// The reason why it is held, on one line.
    pub reason: String,
    /// The size of its document.
    pub size: ReportSize,
    /// The name of its file; `None` if its source has none.
    pub file: Option<String>,
}

impl QuarantinedReport {
    /// Whether the report states that the vendor has no stock at all.
    #[must_use]
    pub fn is_empty_full(&self) -> bool {
        self.kind == ReportKind::Full && self.lines == 0
    }

    /// The verdict of the vendor's guard; `None` for an empty full report, which is held without a guard.
    #[must_use]
    pub fn guard(&self) -> Option<&str> {
        (!self.is_empty_full()).then_some(self.reason.as_str())
    }

    /// The time of the request that identifies the lines of the report in the store; `None` for a report without lines.
    #[must_use]
    pub fn lines_of(&self) -> Option<Timestamp> {
        (self.lines > 0).then_some(self.order.requested_at)
    }

    /// Whether a report of this order and claim is another one that was requested later.
    fn is_followed_by(&self, order: ReportOrder, claim: Option<&Claim>) -> bool {
        order.requested_at > self.order.requested_at && !self.has_claim(claim)
    }

    /// Whether the report has this claim. A report without a claim has that of no other.
    #[must_use]
    pub fn has_claim(&self, claim: Option<&Claim>) -> bool {
        self.claim.is_some() && self.claim.as_ref() == claim
    }
}

/// The result of putting a report into quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quarantining {
    /// The report is in quarantine.
    Kept {
        /// The report that it has replaced.
        replaced: Option<QuarantinedReport>,
    },
    /// The report that was in quarantine stays there: it has the same claim, or is newer.
    NotKept,
}

/// The history of one vendor's reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportHistory {
    /// The newest report that was applied.
    pub applied: Option<ReportOrder>,
    /// The newest full report that was applied.
    pub full: Option<ReportOrder>,
    /// When the last report that was applied to all of its products was requested. Before the first such report: when the
    /// first partly applied report was requested.
    pub completed_requested_at: Option<Timestamp>,
    /// The proof of the last applied report; `None` before the first.
    pub proof: Option<Proof>,
    /// The vendor's clock minus the store's at the last response, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// The most recent claims, oldest first; at most [`MAX_CLAIMS`].
    pub claims: Vec<KnownClaim>,
    /// The report in quarantine, if there is one.
    pub quarantined: Option<QuarantinedReport>,
    /// Number of transactions that have applied a report or a part of one. While it is unchanged, reports have not changed
    /// the vendor's stock.
    pub revision: u64,
    /// The validators of the last report, if it has any and was applied to all of its products. Each later application of a
    /// report removes them with its first transaction.
    pub validators: Option<Validators>,
}

/// The decision on a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Apply the report. Single lines of a delta may still be older than their rows.
    Apply,
    /// Ignore the report: a report that was applied before is newer.
    Stale {
        /// The order of the newer report.
        newer: ReportOrder,
    },
    /// Apply the empty report: it confirms the empty one in quarantine.
    Confirm,
    /// Hold the empty report until it is confirmed.
    Quarantine,
}

impl ReportHistory {
    /// Removes entries that are later than the store's clock: the clock was ahead once, so they cannot be compared. Returns
    /// whether any entry was removed.
    pub fn remove_future_entries(&mut self, now: Timestamp) -> bool {
        let before = self.clone();
        let is_past = |order: &ReportOrder| order.as_of.max(order.requested_at) <= now;
        self.applied = self.applied.filter(is_past);
        self.full = self.full.filter(is_past);
        self.completed_requested_at = self.completed_requested_at.filter(|at| *at <= now);
        self.claims.retain(|known| {
            known.ordered_as_of <= now && known.proven_as_of.is_none_or(|as_of| as_of <= now)
        });
        self.quarantined = self.quarantined.take().filter(|it| is_past(&it.order));
        *self != before
    }

    /// Adjusts an assessment by the claims that were seen before, and records its claim. The same or an older claim never
    /// gets a later effective as-of; a newer document is never ordered before an older one because the skew was measured
    /// differently. A claim that proved nothing, and was ahead by no more than local time can be, takes the evidence of older
    /// ones, whose times are as wrong. One that was further ahead limits only itself, so that one wrong date does not take the
    /// evidence of the reports that follow it. It keeps the order of its first request.
    #[must_use]
    pub fn adjust_to_claims(&mut self, assessment: Assessment) -> Assessment {
        let Assessment {
            mut order,
            claim,
            file,
            mut proof,
            clock_skew_ms,
        } = assessment;
        self.clock_skew_ms = clock_skew_ms;
        let seen = self
            .claims
            .iter()
            .filter(|known| Some(&known.claim) == file.as_ref());
        for known in seen {
            proof = at_most(proof, Some(known.ordered_as_of));
        }
        if let Some(claim) = &claim {
            let mut first_order = None;
            for known in &self.claims {
                let Some(relation) = relation(claim, &known.claim) else {
                    continue;
                };
                if relation.is_eq() || (relation.is_lt() && known.limits_older()) {
                    proof = at_most(proof, known.proven_as_of);
                }
                if !matches!(claim, Claim::ETag(_)) {
                    if relation.is_eq() {
                        order.as_of = known.ordered_as_of;
                        if known.proven_as_of.is_none() && known.claim == *claim {
                            first_order = Some(known.ordered_as_of);
                        }
                    } else if relation.is_gt() {
                        order.as_of = order.as_of.max(known.ordered_as_of);
                    }
                }
            }
            order.as_of = first_order.unwrap_or(order.as_of);
            self.claims.retain(|known| known.claim != *claim);
            self.claims.push(KnownClaim {
                claim: claim.clone(),
                ordered_as_of: order.as_of,
                proven_as_of: proof.ok().map(|proven| proven.as_of),
            });
            let excess = self.claims.len().saturating_sub(MAX_CLAIMS);
            self.claims.drain(..excess);
        }
        Assessment {
            order,
            claim,
            file,
            proof,
            clock_skew_ms,
        }
    }

    /// Records that a file was seen of which no report was read, if its modification time is later: the report of this version,
    /// read later, proves no more than it would now. Returns whether that changed the history.
    pub fn add_unread_file(&mut self, modified: Timestamp, seen_at: Timestamp) -> bool {
        let claim = Claim::LastModified(modified, None);
        let is_later = modified > seen_at;
        if !is_later || self.claims.iter().any(|known| known.claim == claim) {
            return false;
        }
        let clock_skew_ms = self.clock_skew_ms;
        // Only the claim is of interest.
        let _ = self.adjust_to_claims(assess_unread_file(modified, seen_at));
        self.clock_skew_ms = clock_skew_ms;
        true
    }

    /// Decides what to do with a report whose assessment was adjusted by [`adjust_to_claims`](Self::adjust_to_claims).
    /// `has_stock` is whether the vendor's last reports left it with any units.
    #[must_use]
    pub fn decide(&self, report: &Report, assessment: &Assessment, has_stock: bool) -> Verdict {
        if let Some(newer) = self.newer_than(report.kind(), assessment.order) {
            return Verdict::Stale { newer };
        }
        let is_empty = report.kind() == ReportKind::Full && report.is_empty();
        if !is_empty || !has_stock {
            return Verdict::Apply;
        }
        let earlier = self.confirmed_by(assessment.order, assessment.claim.as_ref());
        if earlier.is_some_and(QuarantinedReport::is_empty_full) {
            Verdict::Confirm
        } else {
            Verdict::Quarantine
        }
    }

    /// The report in quarantine, if a report of this order and claim is another one of a later request: the two can agree.
    #[must_use]
    pub fn confirmed_by(
        &self,
        order: ReportOrder,
        claim: Option<&Claim>,
    ) -> Option<&QuarantinedReport> {
        let earlier = self.quarantined.as_ref();
        earlier.filter(|earlier| earlier.is_followed_by(order, claim))
    }

    /// Whether two histories contain the same reports. The revision and the validators, that is the progress of the last
    /// report's application, are ignored.
    #[must_use]
    pub fn is_of_same_reports(&self, other: &Self) -> bool {
        *self == other.clone().with_progress_of(self)
    }

    /// The same reports, with the progress of the last one's application as in another history.
    #[must_use]
    pub fn with_progress_of(self, other: &Self) -> Self {
        Self {
            revision: other.revision,
            validators: other.validators.clone(),
            ..self
        }
    }

    /// Whether the vendor's numbers are older than `max_age`: counted from the effective as-of of the last report that was
    /// applied to all of its products, or from its request if it proves nothing. An interrupted report does not reset the
    /// age. False before the first report.
    #[must_use]
    pub fn is_older_than(&self, max_age: Duration, now: Timestamp) -> bool {
        let since = match self.proof {
            Some(Ok(proven)) => Some(proven.as_of),
            Some(Err(_)) | None => self
                .completed_requested_at
                .or(self.applied.map(|order| order.requested_at)),
        };
        since.is_some_and(|since| now.since(since) > max_age)
    }

    /// The applied report that makes a report with this order stale, if there is one.
    #[must_use]
    pub fn newer_than(&self, kind: ReportKind, order: ReportOrder) -> Option<ReportOrder> {
        let newest = match kind {
            ReportKind::Full => self.applied,
            // The lines of a delta are compared with their rows.
            ReportKind::Delta => self.full,
        };
        newest.filter(|newest| order < *newest)
    }

    /// Puts a report into quarantine, in place of an older one. Keeps the one that is there if that has the same claim or is
    /// newer.
    pub fn quarantine(&mut self, report: QuarantinedReport) -> Quarantining {
        let is_newest = self.quarantined.as_ref().is_none_or(|earlier| {
            report.order > earlier.order
                && earlier.is_followed_by(report.order, report.claim.as_ref())
        });
        if !is_newest {
            return Quarantining::NotKept;
        }
        let replaced = self.quarantined.replace(report);
        Quarantining::Kept { replaced }
    }

    /// Ends the quarantine of the report with this order. Another report stays in quarantine.
    pub fn release(&mut self, order: ReportOrder) {
        self.quarantined.take_if(|it| it.order == order);
    }

    /// Records that a part of a report was applied: from now on an older report is stale. The report's proof becomes the
    /// vendor's evidence only with [`apply`](Self::apply). A quarantined report that is older is dropped, unless this report
    /// confirms it: if the rest is never applied, the quarantined one still needs its confirmation.
    pub fn begin(&mut self, kind: ReportKind, order: ReportOrder, is_confirming: bool) {
        let first = self.applied.unwrap_or(order);
        self.completed_requested_at
            .get_or_insert(first.requested_at);
        self.advance(kind, order);
        if !is_confirming {
            self.drop_outdated_quarantined(order);
        }
    }

    /// Records that a report was applied. A quarantined report that is older is dropped; a delta stays, unless this is a full
    /// report: another delta does not state its products. A delta that is older than the newest report changes neither the
    /// vendor's evidence nor its age.
    pub fn apply(&mut self, kind: ReportKind, order: ReportOrder, proof: Proof) {
        let is_newest = self.applied.is_none_or(|applied| applied <= order);
        self.advance(kind, order);
        if is_newest {
            self.completed_requested_at = Some(order.requested_at);
            self.proof = Some(proof);
        }
        self.drop_outdated_quarantined(order);
    }

    /// Records that the vendor stated at this request that its report is still the last applied one. The age of the vendor's
    /// numbers is that after the same report: it begins again only if the report proves nothing.
    pub fn confirm_unchanged(&mut self, requested_at: Timestamp, clock_skew_ms: Option<i64>) {
        self.completed_requested_at = self.completed_requested_at.max(Some(requested_at));
        self.clock_skew_ms = clock_skew_ms;
    }

    fn drop_outdated_quarantined(&mut self, applied: ReportOrder) {
        let quarantined = self.quarantined.take();
        self.quarantined = quarantined
            .filter(|it| it.order != applied && self.newer_than(it.kind, it.order).is_none());
    }

    fn advance(&mut self, kind: ReportKind, order: ReportOrder) {
        self.revision += 1;
        self.validators = None;
        self.applied = self.applied.max(Some(order));
        if kind == ReportKind::Full {
            self.full = self.full.max(Some(order));
        }
    }
}

/// Subtracts the vendor's lag from the effective as-of.
pub fn with_lag(proof: Proof, lag: Duration) -> Proof {
    proof.map(|proven| Proven {
        as_of: proven.as_of.minus(lag),
        ..proven
    })
}

fn at_most(proof: Proof, bound: Option<Timestamp>) -> Proof {
    let proven = proof?;
    let bound = bound.ok_or(NoEvidence::SeenUnproven)?;
    Ok(Proven {
        as_of: proven.as_of.min(bound),
        ..proven
    })
}

#[cfg(test)]
mod tests;
