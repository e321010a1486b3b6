//! The history of a vendor's reports, as columns of `vendor_syncs` and `vendor_evidence`.
//!
//! Claims are stored as text, one per line: the as-of that orders it, the proven as-of (or `-`), its kind and its value.
//! Instants are microseconds since 1970-01-01T00:00:00Z.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::evidence::{Claim, Evidence, NoEvidence, Proof, Proven, ReportOrder};
use domain::identifiers::VendorId;
use domain::ports::StoreError;
use domain::report_history::{KnownClaim, ReportHistory};
use domain::timestamp::Timestamp;

use crate::{Bind, Instant, StoredQuarantine, corrupt, validators};

const TABLE: &str = "vendor_evidence";

/// Writes the columns of a history in `vendor_syncs`.
pub const SAVE_ORDERS: &str =
    "UPDATE vendor_syncs SET applied_as_of = $1, full_as_of = $2 WHERE vendor_id = $3";

/// Writes the row of a history in `vendor_evidence`.
pub const SAVE_EVIDENCE: &str = "
INSERT INTO vendor_evidence (vendor_id, applied_requested_at, full_requested_at, completed_requested_at, as_of, evidence,
    no_evidence, clock_skew_ms, claims, quarantined, held, held_reason, held_document, revision, validators)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (vendor_id) DO UPDATE SET applied_requested_at = excluded.applied_requested_at,
    full_requested_at = excluded.full_requested_at, completed_requested_at = excluded.completed_requested_at,
    as_of = excluded.as_of, evidence = excluded.evidence, no_evidence = excluded.no_evidence,
    clock_skew_ms = excluded.clock_skew_ms, claims = excluded.claims, quarantined = excluded.quarantined,
    held = excluded.held, held_reason = excluded.held_reason, held_document = excluded.held_document,
    revision = excluded.revision, validators = excluded.validators";

/// A row of `vendor_evidence` with two columns of its row in `vendor_syncs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct StoredHistory {
    #[diesel(sql_type = Nullable<Instant>)]
    applied_as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    applied_requested_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    full_as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    full_requested_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    completed_requested_at: Option<Timestamp>,
    #[diesel(embed)]
    proof: StoredProof,
    #[diesel(sql_type = Nullable<BigInt>)]
    clock_skew_ms: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    claims: Option<String>,
    #[diesel(embed)]
    quarantine: StoredQuarantine,
    /// `None` without a row.
    #[diesel(sql_type = Nullable<BigInt>)]
    revision: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    validators: Option<String>,
}

/// The columns of `vendor_evidence` with the proof of the last applied report.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct StoredProof {
    #[diesel(sql_type = Nullable<Instant>)]
    as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    evidence: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    no_evidence: Option<String>,
}

impl StoredHistory {
    /// Returns the values of [`SAVE_ORDERS`] and of [`SAVE_EVIDENCE`].
    #[must_use]
    pub fn binds(&self, vendor_id: &VendorId) -> [Vec<Bind>; 2] {
        let orders = vec![
            self.applied_as_of.into(),
            self.full_as_of.into(),
            vendor_id.into(),
        ];
        let evidence = vec![
            vendor_id.into(),
            self.applied_requested_at.into(),
            self.full_requested_at.into(),
            self.completed_requested_at.into(),
            self.proof.as_of.into(),
            self.proof.evidence.as_deref().into(),
            self.proof.no_evidence.as_deref().into(),
            Bind::BigInt(self.clock_skew_ms),
            self.claims.as_deref().into(),
            self.quarantine.quarantined.as_deref().into(),
            self.quarantine.held.as_deref().into(),
            self.quarantine.held_reason.as_deref().into(),
            self.quarantine.held_document.as_deref().into(),
            self.revision.unwrap_or_default().into(),
            self.validators.as_deref().into(),
        ];
        [orders, evidence]
    }
}

impl From<&ReportHistory> for StoredHistory {
    fn from(history: &ReportHistory) -> Self {
        let claims: Vec<String> = history.claims.iter().map(claim_line).collect();
        Self {
            applied_as_of: history.applied.map(|order| order.as_of),
            applied_requested_at: history.applied.map(|order| order.requested_at),
            full_as_of: history.full.map(|order| order.as_of),
            full_requested_at: history.full.map(|order| order.requested_at),
            completed_requested_at: history.completed_requested_at,
            proof: history.proof.map(StoredProof::from).unwrap_or_default(),
            clock_skew_ms: history.clock_skew_ms,
            claims: (!claims.is_empty()).then(|| claims.join("\n")),
            quarantine: history.quarantined.as_ref().into(),
            revision: Some(history.revision.cast_signed()),
            validators: validators::column(history),
        }
    }
}

impl From<Proof> for StoredProof {
    fn from(proof: Proof) -> Self {
        match proof {
            Ok(proven) => Self {
                as_of: Some(proven.as_of),
                evidence: Some(proven.evidence.to_string()),
                no_evidence: None,
            },
            Err(reason) => Self {
                no_evidence: Some(reason.to_string()),
                ..Self::default()
            },
        }
    }
}

/// Parses the history of a vendor's reports.
pub(crate) fn report_history(
    vendor_id: &str,
    row: StoredHistory,
) -> Result<ReportHistory, StoreError> {
    let claims = row.claims.as_deref().map_or("", str::trim_end);
    let claims: Option<Vec<KnownClaim>> = claims.lines().map(parse_claim).collect();
    let revision = row.revision.unwrap_or_default().cast_unsigned();
    let validators = validators::parse(row.validators.as_deref(), revision);
    Ok(ReportHistory {
        applied: order(row.applied_as_of, row.applied_requested_at),
        full: order(row.full_as_of, row.full_requested_at),
        completed_requested_at: row.completed_requested_at,
        proof: proof(vendor_id, row.proof)?,
        clock_skew_ms: row.clock_skew_ms,
        claims: claims
            .ok_or(())
            .map_err(corrupt(TABLE, "claims", vendor_id))?,
        quarantined: row.quarantine.parse(vendor_id)?,
        revision,
        validators: validators.map_err(corrupt(TABLE, "validators", vendor_id))?,
    })
}

/// Parses the proof of the last applied report of a vendor.
pub(crate) fn proof(vendor_id: &str, row: StoredProof) -> Result<Option<Proof>, StoreError> {
    let evidence = row.evidence.map(|text| {
        text.parse::<Evidence>()
            .map_err(corrupt(TABLE, "evidence", vendor_id))
    });
    let reason = row.no_evidence.map(|text| {
        text.parse::<NoEvidence>()
            .map_err(corrupt(TABLE, "no_evidence", vendor_id))
    });
    Ok(match (row.as_of, evidence.transpose()?) {
        (Some(as_of), Some(evidence)) => Some(Ok(Proven { as_of, evidence })),
        _ => reason.transpose()?.map(Err),
    })
}

/// The order of an applied report. Programs of earlier versions store no request time; the as-of replaces it, because it is
/// not later than the request.
fn order(as_of: Option<Timestamp>, requested_at: Option<Timestamp>) -> Option<ReportOrder> {
    as_of.map(|as_of| ReportOrder {
        as_of,
        requested_at: requested_at.unwrap_or(as_of),
    })
}

pub(crate) fn claim_text(claim: Option<&Claim>) -> String {
    match claim {
        None => "none".to_owned(),
        Some(Claim::Document(as_of)) => format!("document {}", as_of.as_micros()),
        Some(Claim::LastModified(as_of, None)) => format!("last_modified {}", as_of.as_micros()),
        Some(Claim::LastModified(as_of, Some(tag))) => {
            format!("last_modified {} {tag}", as_of.as_micros())
        }
        Some(Claim::ETag(tag)) => format!("etag {tag}"),
    }
}

/// The text is not a claim.
pub(crate) struct Unreadable;

/// Parses a claim, or `None` for "none".
pub(crate) fn parse_claim_text(text: &str) -> Result<Option<Claim>, Unreadable> {
    let timestamp = |micros| parse_timestamp(micros).ok_or(Unreadable);
    match text.split_once(' ') {
        None if text == "none" => Ok(None),
        Some(("document", micros)) => Ok(Some(Claim::Document(timestamp(micros)?))),
        Some(("last_modified", text)) => {
            let (micros, tag) = match text.split_once(' ') {
                Some((micros, tag)) => (micros, Some(tag.to_owned())),
                None => (text, None),
            };
            Ok(Some(Claim::LastModified(timestamp(micros)?, tag)))
        }
        Some(("etag", tag)) => Ok(Some(Claim::ETag(tag.to_owned()))),
        None | Some(_) => Err(Unreadable),
    }
}

fn claim_line(known: &KnownClaim) -> String {
    let ordered = known.ordered_as_of.as_micros();
    let proven = known
        .proven_as_of
        .map_or_else(|| "-".to_owned(), |as_of| as_of.as_micros().to_string());
    format!("{ordered} {proven} {}", claim_text(Some(&known.claim)))
}

fn parse_claim(line: &str) -> Option<KnownClaim> {
    let mut parts = line.splitn(3, ' ');
    let (ordered, proven, claim) = (parts.next()?, parts.next()?, parts.next()?);
    Some(KnownClaim {
        claim: parse_claim_text(claim).ok()??,
        ordered_as_of: parse_timestamp(ordered)?,
        proven_as_of: match proven {
            "-" => None,
            micros => Some(parse_timestamp(micros)?),
        },
    })
}

pub(crate) fn parse_timestamp(micros: &str) -> Option<Timestamp> {
    micros.parse().ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use domain::report::ReportKind;
    use domain::report_history::QuarantinedReport;
    use domain::run::ReportSize;
    use domain::validators::Validators;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn examples() -> Vec<ReportHistory> {
        let order = |as_of, requested_at| ReportOrder {
            as_of: at(as_of),
            requested_at: at(requested_at),
        };
        let known = |claim, proven: Option<i64>| KnownClaim {
            claim,
            ordered_as_of: at(-7),
            proven_as_of: proven.map(at),
        };
        let proven = Ok(Proven {
            as_of: at(5),
            evidence: Evidence::LastModified,
        });
        let quarantined = |claim, proof| QuarantinedReport {
            order: order(8, 9),
            claim,
            proof,
            kind: ReportKind::Full,
            lines: 2,
            reason: "held".to_owned(),
            size: ReportSize {
                bytes: Some(7),
                rows: None,
            },
            file: Some("a b.csv".to_owned()),
        };
        let full = ReportHistory {
            applied: Some(order(1, 2)),
            full: Some(order(3, 4)),
            completed_requested_at: Some(at(6)),
            proof: Some(proven),
            clock_skew_ms: Some(-12),
            claims: vec![
                known(Claim::Document(at(1)), Some(2)),
                known(Claim::LastModified(at(3), None), None),
                known(
                    Claim::LastModified(at(4), Some("W/\"a b\"".to_owned())),
                    Some(3),
                ),
                known(Claim::ETag("W/\"a  b\" ".to_owned()), Some(4)),
                known(Claim::Document(at(-9)), None),
            ],
            quarantined: Some(quarantined(Some(Claim::ETag(String::new())), proven)),
            revision: 10,
            validators: Some(Validators {
                scope: "0f".to_owned(),
                etag: Some("\"a b\"".to_owned()),
                last_modified: None,
            }),
        };
        let unproven = ReportHistory {
            proof: Some(Err(NoEvidence::NoTime)),
            quarantined: Some(quarantined(None, Err(NoEvidence::UnusableAge))),
            ..ReportHistory::default()
        };
        vec![ReportHistory::default(), full, unproven]
    }

    #[test]
    fn a_stored_history_is_parsed_to_the_same_history() {
        for history in examples() {
            let stored = StoredHistory::from(&history);
            assert_eq!(report_history("v", stored).unwrap(), history);
        }
    }

    #[test]
    fn the_request_time_of_an_order_of_an_earlier_version_is_its_as_of() {
        let row = StoredHistory {
            applied_as_of: Some(at(7)),
            ..StoredHistory::default()
        };
        let history = report_history("v", row).unwrap();
        assert_eq!(history.applied, order(Some(at(7)), Some(at(7))));
    }

    #[test]
    fn errors_name_the_unreadable_column() {
        let column = |row: StoredHistory| match report_history("v", row) {
            Err(StoreError::Corrupt { column, row, .. }) => {
                assert_eq!(row, "v");
                column
            }
            other => panic!("{other:?}"),
        };
        let claims = |text: &str| StoredHistory {
            claims: Some(text.to_owned()),
            ..StoredHistory::default()
        };
        for text in ["7", "7 8 none", "7 x document 1", "7 - unknown 1"] {
            assert_eq!(column(claims(text)), "claims", "{text}");
        }
        let validators = StoredHistory {
            validators: Some("0".to_owned()),
            ..StoredHistory::default()
        };
        assert_eq!(column(validators), "validators");
        let quarantined = StoredHistory {
            quarantine: StoredQuarantine {
                quarantined: Some("1 2 unknown none".to_owned()),
                ..StoredQuarantine::default()
            },
            ..StoredHistory::default()
        };
        assert_eq!(column(quarantined), "quarantined");
        let proof = StoredProof {
            as_of: Some(at(1)),
            evidence: Some("unknown".to_owned()),
            no_evidence: None,
        };
        let evidence = StoredHistory {
            proof,
            ..StoredHistory::default()
        };
        assert_eq!(column(evidence), "evidence");
    }
}
