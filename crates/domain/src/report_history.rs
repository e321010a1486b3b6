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

/// An empty full report that is held until a second one or an operator confirms it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedReport {
    /// The order of the report among the vendor's reports.
    pub order: ReportOrder,
    /// The claim of the report, if it has one.
    pub claim: Option<Claim>,
    /// The proof of the report, after the vendor's lag was subtracted.
    pub proof: Proof,
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
    /// Hold the report until it is confirmed.
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
        if is_empty && has_stock && !self.confirms_quarantined(assessment) {
            return Verdict::Quarantine;
        }
        Verdict::Apply
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

    /// Whether an empty report confirms the quarantined one: it was requested later, and does not have the same claim.
    fn confirms_quarantined(&self, assessment: &Assessment) -> bool {
        self.quarantined.as_ref().is_some_and(|first| {
            let is_same = first.claim.is_some() && first.claim == assessment.claim;
            assessment.order.requested_at > first.order.requested_at && !is_same
        })
    }

    /// Puts a report into quarantine, unless one is there already.
    pub fn quarantine(&mut self, assessment: Assessment, lag: Duration) {
        self.quarantined.get_or_insert(QuarantinedReport {
            order: assessment.order,
            claim: assessment.claim,
            proof: with_lag(assessment.proof, lag),
        });
    }

    /// Records that a part of a report was applied: from now on an older report is stale. The report's proof becomes the
    /// vendor's evidence only with [`apply`](Self::apply). A quarantined report is older and dropped, unless this report
    /// confirms it: if the rest is never applied, the quarantined one still needs its confirmation.
    pub fn begin(&mut self, report: &Report, order: ReportOrder) {
        let first = self.applied.unwrap_or(order);
        self.completed_requested_at
            .get_or_insert(first.requested_at);
        self.advance(report.kind(), order);
        if !report.is_empty() {
            self.quarantined = None;
        }
    }

    /// Records that a report was applied. A quarantined report is older, and dropped.
    pub fn apply(&mut self, kind: ReportKind, order: ReportOrder, proof: Proof) {
        self.advance(kind, order);
        self.completed_requested_at = Some(order.requested_at);
        self.proof = Some(proof);
        self.quarantined = None;
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
