//! Reports in quarantine: columns of `vendor_evidence`, and rows of `quarantined_lines`.
//!
//! A report is one line of text: its as-of, the time of its request, its proof and its claim. The column `quarantined` has an
//! empty full report, which programs of earlier versions know. The column `held` has any other, with its kind and its number
//! of lines before that. The column `held_document` has the time of the request, and the size and the file of its document: it
//! is not that of a report that a program of an earlier version has put into quarantine.

use diesel::QueryableByName;
use diesel::sql_types::{Integer, Nullable, Text};
use domain::evidence::{Proven, ReportOrder};
use domain::identifiers::{ProductId, VendorId};
use domain::ports::StoreError;
use domain::report::ReportKind;
use domain::report_history::{EMPTY_AFTER_STOCK, QuarantinedReport};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;

use crate::history::{claim_text, parse_claim_text, parse_timestamp};
use crate::{Bind, corrupt, page_start, product_id, units};

const FULL: &str = "full";
const DELTA: &str = "delta";

/// The columns of `vendor_evidence` with the report in quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct StoredQuarantine {
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) quarantined: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) held: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) held_reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) held_document: Option<String>,
}

/// `None` if nothing is known about the document.
fn document(report: &QuarantinedReport) -> Option<String> {
    let (requested_at, size) = (report.order.requested_at, report.size);
    if report.file.is_none() && size == ReportSize::default() {
        return None;
    }
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let (bytes, rows) = (number(size.bytes), number(size.rows));
    let file = report.file.as_deref().map(|file| format!(" {file}"));
    let file = file.unwrap_or_default();
    Some(format!("{} {bytes} {rows}{file}", requested_at.as_micros()))
}

/// Adds its document to a report. Returns `None` if the text cannot be read.
fn with_document(report: QuarantinedReport, text: &str) -> Option<QuarantinedReport> {
    let number = |text: &str| match text {
        "-" => Some(None),
        number => number.parse().ok().map(Some),
    };
    let mut parts = text.splitn(4, ' ');
    if parse_timestamp(parts.next()?)? != report.order.requested_at {
        return Some(report);
    }
    let (bytes, rows) = (number(parts.next()?)?, number(parts.next()?)?);
    Some(QuarantinedReport {
        size: ReportSize { bytes, rows },
        file: parts.next().map(str::to_owned),
        ..report
    })
}

impl From<Option<&QuarantinedReport>> for StoredQuarantine {
    fn from(report: Option<&QuarantinedReport>) -> Self {
        let Some(report) = report else {
            return Self::default();
        };
        let held_reason = Some(report.reason.clone());
        let held_document = document(report);
        let line = line(report);
        if report.is_empty_full() {
            return Self {
                quarantined: Some(line),
                held: None,
                held_reason,
                held_document,
            };
        }
        let kind = match report.kind {
            ReportKind::Full => FULL,
            ReportKind::Delta => DELTA,
        };
        Self {
            quarantined: None,
            held: Some(format!("{kind} {} {line}", report.lines)),
            held_reason,
            held_document,
        }
    }
}

impl StoredQuarantine {
    /// Parses the report of the vendor. If both columns have one, a program of an earlier version has put one into
    /// quarantine: the one that was requested later counts.
    pub(crate) fn parse(&self, vendor_id: &str) -> Result<Option<QuarantinedReport>, StoreError> {
        let reason = self.held_reason.as_deref().unwrap_or(EMPTY_AFTER_STOCK);
        let unreadable = |column| corrupt("vendor_evidence", column, vendor_id)(());
        let empty = self.quarantined.as_deref().map(|line| {
            let reason = if self.held.is_some() {
                EMPTY_AFTER_STOCK
            } else {
                reason
            };
            parse_line(line, ReportKind::Full, 0, reason).ok_or_else(|| unreadable("quarantined"))
        });
        let held = self.held.as_deref();
        let held = held.map(|text| parse_held(text, reason).ok_or_else(|| unreadable("held")));
        let (empty, held) = (empty.transpose()?, held.transpose()?);
        let reports = [empty, held].into_iter().flatten();
        let report = reports.max_by_key(|report| report.order.requested_at);
        match (report, self.held_document.as_deref()) {
            (Some(report), Some(text)) => with_document(report, text)
                .ok_or_else(|| unreadable("held_document"))
                .map(Some),
            (report, _) => Ok(report),
        }
    }
}

fn line(report: &QuarantinedReport) -> String {
    let proof = match report.proof {
        Ok(proven) => format!("{}={}", proven.evidence, proven.as_of.as_micros()),
        Err(reason) => reason.to_string(),
    };
    format!(
        "{} {} {proof} {}",
        report.order.as_of.as_micros(),
        report.order.requested_at.as_micros(),
        claim_text(report.claim.as_ref())
    )
}

fn parse_held(text: &str, reason: &str) -> Option<QuarantinedReport> {
    let (kind, text) = text.split_once(' ')?;
    let (lines, line) = text.split_once(' ')?;
    let kind = match kind {
        FULL => ReportKind::Full,
        DELTA => ReportKind::Delta,
        _ => return None,
    };
    parse_line(line, kind, lines.parse().ok()?, reason)
}

fn parse_line(line: &str, kind: ReportKind, lines: u64, reason: &str) -> Option<QuarantinedReport> {
    let mut parts = line.splitn(4, ' ');
    let order = ReportOrder {
        as_of: parse_timestamp(parts.next()?)?,
        requested_at: parse_timestamp(parts.next()?)?,
    };
    let proof = parts.next()?;
    Some(QuarantinedReport {
        order,
        proof: match proof.split_once('=') {
            Some((evidence, micros)) => Ok(Proven {
                as_of: parse_timestamp(micros)?,
                evidence: evidence.parse().ok()?,
            }),
            None => Err(proof.parse().ok()?),
        },
        claim: parse_claim_text(parts.next()?).ok()?,
        kind,
        lines,
        reason: reason.to_owned(),
        size: ReportSize::default(),
        file: None,
    })
}

/// Query for the lines of a report, by product id. Takes the vendor id, the time of the request, a product id and a limit.
pub const QUARANTINED_LINES: &str = "
SELECT product_id, quantity FROM quarantined_lines
WHERE vendor_id = $1 AND requested_at = $2 AND product_id > $3 ORDER BY product_id LIMIT $4";

/// Returns the values of [`QUARANTINED_LINES`].
#[must_use]
pub fn quarantined_lines_binds(
    vendor_id: &VendorId,
    requested_at: Timestamp,
    after: Option<ProductId>,
    limit: u32,
) -> Vec<Bind> {
    let after = page_start(after);
    vec![
        vendor_id.into(),
        requested_at.into(),
        after.as_str().into(),
        limit.into(),
    ]
}

/// Query for the number of lines of a report. Takes the vendor id and the time of the request.
pub const COUNT_QUARANTINED_LINES: &str =
    "SELECT count(*) AS number FROM quarantined_lines WHERE vendor_id = $1 AND requested_at = $2";

/// Returns the values of a statement that removes lines: the vendor id, the time of the request whose lines are kept, and a
/// limit. No report was requested at the epoch.
#[must_use]
pub fn removed_lines_binds(vendor_id: &VendorId, kept: Option<Timestamp>, limit: u32) -> Vec<Bind> {
    let kept = kept.unwrap_or(Timestamp::EPOCH);
    vec![vendor_id.into(), kept.into(), limit.into()]
}

/// A row of [`QUARANTINED_LINES`].
#[derive(QueryableByName)]
pub struct QuarantinedLineRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    quantity: i32,
}

/// Parses lines.
pub fn quarantined_lines(
    rows: Vec<QuarantinedLineRow>,
) -> Result<Vec<(ProductId, u32)>, StoreError> {
    let rows = rows.into_iter().map(|row| {
        let table = "quarantined_lines";
        let units = units(row.quantity, table, "quantity", &row.product_id)?;
        Ok((product_id(row.product_id, table)?, units))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::evidence::{Claim, Evidence, NoEvidence};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn report(kind: ReportKind, lines: u64) -> QuarantinedReport {
        QuarantinedReport {
            order: ReportOrder {
                as_of: at(8),
                requested_at: at(9),
            },
            claim: Some(Claim::ETag("a b".to_owned())),
            proof: Ok(Proven {
                as_of: at(7),
                evidence: Evidence::Date,
            }),
            kind,
            lines,
            reason: "too few".to_owned(),
            size: ReportSize {
                bytes: None,
                rows: Some(12),
            },
            file: Some("a b.csv".to_owned()),
        }
    }

    fn columns(report: Option<&QuarantinedReport>) -> StoredQuarantine {
        StoredQuarantine::from(report)
    }

    /// Parses the columns; the error is the name of the column that cannot be read.
    fn parse(columns: &StoredQuarantine) -> Result<Option<QuarantinedReport>, &'static str> {
        columns.parse("v").map_err(|error| match error {
            StoreError::Corrupt { column, row, .. } if row == "v" => column,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_stored_report_is_parsed_to_the_same_report() {
        assert_eq!(parse(&columns(None)), Ok(None));
        for (kind, lines) in [
            (ReportKind::Full, 0),
            (ReportKind::Full, 2),
            (ReportKind::Delta, 1_000_000),
        ] {
            let unproven = QuarantinedReport {
                proof: Err(NoEvidence::NoTime),
                claim: None,
                size: ReportSize::default(),
                file: None,
                ..report(kind, lines)
            };
            let without_file = QuarantinedReport {
                file: None,
                ..report(kind, lines)
            };
            for report in [report(kind, lines), unproven, without_file] {
                assert_eq!(parse(&columns(Some(&report))), Ok(Some(report)));
            }
        }
    }

    /// An earlier version would apply any report in its column as an empty full one.
    #[test]
    fn earlier_versions_see_empty_full_reports_only() {
        let empty = columns(Some(&report(ReportKind::Full, 0)));
        assert_eq!(empty.quarantined.as_deref(), Some("8 9 date=7 etag a b"));
        for report in [report(ReportKind::Full, 1), report(ReportKind::Delta, 0)] {
            assert_eq!(columns(Some(&report)).quarantined, None);
        }
        let of_earlier = StoredQuarantine {
            quarantined: empty.quarantined,
            ..StoredQuarantine::default()
        };
        let of_earlier = parse(&of_earlier).unwrap().unwrap();
        assert_eq!(of_earlier.reason, EMPTY_AFTER_STOCK);
        assert!(of_earlier.is_empty_full());
    }

    #[test]
    fn of_two_reports_the_later_one_counts() {
        let held = columns(Some(&report(ReportKind::Full, 3)));
        for (requested_at, lines) in [(8, 3), (10, 0)] {
            let both = StoredQuarantine {
                quarantined: Some(format!("1 {requested_at} no_time none")),
                ..held.clone()
            };
            let read = parse(&both).unwrap().unwrap();
            assert_eq!(read.lines, lines);
            assert_eq!(
                read.file.is_some(),
                lines > 0,
                "the document of the other one"
            );
            let expected = if lines == 0 {
                EMPTY_AFTER_STOCK
            } else {
                "too few"
            };
            assert_eq!(read.reason, expected);
        }
    }

    #[test]
    fn errors_name_the_unreadable_column() {
        let held = |text: &str| {
            parse(&StoredQuarantine {
                held: Some(text.to_owned()),
                ..StoredQuarantine::default()
            })
        };
        for text in [
            "full",
            "half 1 1 2 no_time none",
            "full x 1 2 no_time none",
            "full 1 1 2",
        ] {
            assert_eq!(held(text), Err("held"), "{text}");
        }
        let quarantined = StoredQuarantine {
            quarantined: Some("1 2 unknown none".to_owned()),
            ..StoredQuarantine::default()
        };
        assert_eq!(parse(&quarantined), Err("quarantined"));
        let held = columns(Some(&report(ReportKind::Full, 3)));
        for text in ["", "x 1 2", "9 1", "9 1 x", "9 -1 2 a"] {
            let unreadable = StoredQuarantine {
                held_document: Some(text.to_owned()),
                ..held.clone()
            };
            assert_eq!(parse(&unreadable), Err("held_document"), "{text}");
        }
    }
}
