//! Claims that were seen before.

use std::cmp::Ordering;

use crate::evidence::Claim;
use crate::timestamp::{MAX_UTC_OFFSET, Timestamp};

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

impl KnownClaim {
    /// Whether it limits the evidence of older claims.
    pub(super) fn limits_older(&self) -> bool {
        let stated = match self.claim {
            Claim::Document(at) | Claim::LastModified(at, _) => at,
            Claim::ETag(_) => return true,
        };
        self.proven_as_of.is_some() || stated.since(self.ordered_as_of) <= MAX_UTC_OFFSET
    }
}

/// Compares a claim with a known one; `None` if they are not comparable.
pub(super) fn relation(claim: &Claim, known: &Claim) -> Option<Ordering> {
    match (claim, known) {
        (
            Claim::ETag(it) | Claim::LastModified(_, Some(it)),
            Claim::ETag(other) | Claim::LastModified(_, Some(other)),
        ) if it == other => Some(Ordering::Equal),
        (Claim::Document(it), Claim::Document(other))
        | (Claim::LastModified(it, _), Claim::LastModified(other, _)) => Some(it.cmp(other)),
        _ => None,
    }
}
