//! The history of a vendor's reports. It ensures that a repeated claim never gets a later effective as-of, and detects
//! reports that are older than an applied one.

use std::time::Duration;

use crate::evidence::{Assessment, Claim, NoEvidence, Proof, Proven, ReportOrder};
use crate::report::{Report, ReportKind};
use crate::timestamp::Timestamp;

/// Maximum number of claims kept per vendor: more than the replicas and caches that a vendor alternates between.
pub const MAX_CLAIMS: usize = 16;

/// A claim that was seen before, with its first values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClaim {
    /// The claim.
    pub claim: Claim,
    /// The as-of that orders the report among the vendor's reports.
    pub ordered_as_of: Timestamp,
    /// The effective as-of before the vendor's lag was subtracted; `None` if the claim proved nothing.
    pub proven_as_of: Option<Timestamp>,
}

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
}

impl QuarantinedReport {
    /// Whether the report states that the vendor has no stock at all.
    #[must_use]
    pub fn is_empty_full(&self) -> bool {
        self.kind == ReportKind::Full && self.lines == 0
    }

    /// The time of the request that identifies the lines of the report in the store; `None` for a report without lines.
    #[must_use]
    pub fn lines_of(&self) -> Option<Timestamp> {
        (self.lines > 0).then_some(self.order.requested_at)
    }

    /// Whether a report of this order and claim is another one that was requested later.
    fn is_followed_by(&self, order: ReportOrder, claim: Option<&Claim>) -> bool {
        let is_same = self.claim.is_some() && self.claim.as_ref() == claim;
        order.requested_at > self.order.requested_at && !is_same
    }
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
    /// differently.
    #[must_use]
    pub fn adjust_to_claims(&mut self, assessment: Assessment) -> Assessment {
        let Assessment {
            mut order,
            claim,
            mut proof,
            clock_skew_ms,
        } = assessment;
        self.clock_skew_ms = clock_skew_ms;
        if let Some(claim) = &claim {
            for known in &self.claims {
                let Some(relation) = relation(claim, &known.claim) else {
                    continue;
                };
                if relation.is_le() {
                    proof = at_most(proof, known.proven_as_of);
                }
                if !matches!(claim, Claim::ETag(_)) {
                    if relation.is_eq() {
                        order.as_of = known.ordered_as_of;
                    } else if relation.is_gt() {
                        order.as_of = order.as_of.max(known.ordered_as_of);
                    }
                }
            }
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
            proof,
            clock_skew_ms,
        }
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

    /// Whether two histories contain the same reports. The revision, that is the progress of the last report's application,
    /// is ignored.
    #[must_use]
    pub fn is_of_same_reports(&self, other: &Self) -> bool {
        let revision = self.revision;
        *self
            == Self {
                revision,
                ..other.clone()
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

    /// Puts a report into quarantine, in place of an older one. Returns false, and keeps the one that is there, if that is
    /// the same report or a newer one.
    pub fn quarantine(&mut self, report: QuarantinedReport) -> bool {
        let is_newest = self.quarantined.as_ref().is_none_or(|earlier| {
            report.order > earlier.order
                && earlier.is_followed_by(report.order, report.claim.as_ref())
        });
        if is_newest {
            self.quarantined = Some(report);
        }
        is_newest
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

    fn drop_outdated_quarantined(&mut self, applied: ReportOrder) {
        let quarantined = self.quarantined.take();
        self.quarantined = quarantined
            .filter(|it| it.order != applied && self.newer_than(it.kind, it.order).is_none());
    }

    fn advance(&mut self, kind: ReportKind, order: ReportOrder) {
        self.revision += 1;
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

/// Compares a claim with a known one; `None` if they are not comparable.
fn relation(claim: &Claim, known: &Claim) -> Option<std::cmp::Ordering> {
    match (claim, known) {
        (
            Claim::ETag(it) | Claim::LastModified(_, Some(it)),
            Claim::ETag(other) | Claim::LastModified(_, Some(other)),
        ) if it == other => Some(std::cmp::Ordering::Equal),
        (Claim::Document(it), Claim::Document(other))
        | (Claim::LastModified(it, _), Claim::LastModified(other, _)) => Some(it.cmp(other)),
        _ => None,
    }
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
