//! Reports in quarantine: two columns of `vendor_evidence`, and rows of `quarantined_lines`.
//!
//! A report is one line of text: its as-of, the time of its request, its proof and its claim. The column `quarantined` has an
//! empty full report, which programs of earlier versions know. The column `held` has any other, with its kind and its number
//! of lines before that.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use domain::evidence::{Proven, ReportOrder};
use domain::identifiers::ProductId;
use domain::ports::{ReportedTotals, StoreError};
use domain::report::ReportKind;
use domain::report_history::{EMPTY_AFTER_STOCK, QuarantinedReport};

use crate::history::{claim_text, parse_claim_text, parse_timestamp};
use crate::{corrupt, product_id, units};

const FULL: &str = "full";
const DELTA: &str = "delta";

/// The texts of the columns `quarantined`, `held` and `held_reason`.
pub(crate) fn columns(report: Option<&QuarantinedReport>) -> [Option<String>; 3] {
    let Some(report) = report else {
        return [None, None, None];
    };
    let reason = Some(report.reason.clone());
    let line = line(report);
    if report.is_empty_full() {
        return [Some(line), None, reason];
    }
    let kind = match report.kind {
        ReportKind::Full => FULL,
        ReportKind::Delta => DELTA,
    };
    let held = format!("{kind} {} {line}", report.lines);
    [None, Some(held), reason]
}

/// Parses the columns. The error is the name of the column that cannot be read. If both have a report, a program of an earlier
/// version has put one into quarantine: the one that was requested later counts.
pub(crate) fn quarantined_report(
    quarantined: Option<&str>,
    held: Option<&str>,
    reason: Option<&str>,
) -> Result<Option<QuarantinedReport>, &'static str> {
    let reason = reason.unwrap_or(EMPTY_AFTER_STOCK);
    let empty = quarantined.map(|line| {
        let reason = if held.is_some() {
            EMPTY_AFTER_STOCK
        } else {
            reason
        };
        parse_line(line, ReportKind::Full, 0, reason).ok_or("quarantined")
    });
    let held = held.map(|text| parse_held(text, reason).ok_or("held"));
    let (empty, held) = (empty.transpose()?, held.transpose()?);
    let reports = [empty, held].into_iter().flatten();
    Ok(reports.max_by_key(|report| report.order.requested_at))
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
    })
}

/// Query for the lines of a report, by product id. Takes the vendor id, the time of the request, a product id and a limit.
pub const QUARANTINED_LINES: &str = "
SELECT product_id, quantity FROM quarantined_lines
WHERE vendor_id = $1 AND requested_at = $2 AND product_id > $3 ORDER BY product_id LIMIT $4";

/// Query for the number of lines of a report. Takes the vendor id and the time of the request.
pub const COUNT_QUARANTINED_LINES: &str =
    "SELECT count(*) AS number FROM quarantined_lines WHERE vendor_id = $1 AND requested_at = $2";

/// Query for the sums of a vendor's stock rows. Takes the vendor id.
pub const REPORTED_TOTALS: &str = "
SELECT coalesce(sum(reported), 0) AS units, count(CASE WHEN reported > 0 THEN 1 END) AS products
FROM vendor_stock WHERE vendor_id = $1";

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

/// The row of [`REPORTED_TOTALS`].
#[derive(QueryableByName)]
pub struct ReportedTotalsRow {
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = BigInt)]
    products: i64,
}

/// Parses the sums.
pub fn reported_totals(row: &ReportedTotalsRow) -> Result<ReportedTotals, StoreError> {
    let parse = |number: i64| u64::try_from(number);
    Ok(ReportedTotals {
        units: parse(row.units).map_err(corrupt("vendor_stock", "reported", "sum"))?,
        products: parse(row.products).map_err(corrupt("vendor_stock", "reported", "count"))?,
    })
}

#[cfg(test)]
mod tests {
    use domain::evidence::{Claim, Evidence, NoEvidence};
    use domain::timestamp::Timestamp;

    use super::*;

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
        }
    }

    fn parse(
        [quarantined, held, reason]: &[Option<String>; 3],
    ) -> Result<Option<QuarantinedReport>, &'static str> {
        quarantined_report(quarantined.as_deref(), held.as_deref(), reason.as_deref())
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
                ..report(kind, lines)
            };
            for report in [report(kind, lines), unproven] {
                assert_eq!(parse(&columns(Some(&report))), Ok(Some(report)));
            }
        }
    }

    /// An earlier version would apply any report in its column as an empty full one.
    #[test]
    fn earlier_versions_see_empty_full_reports_only() {
        let empty = columns(Some(&report(ReportKind::Full, 0)));
        assert_eq!(empty[0].as_deref(), Some("8 9 date=7 etag a b"));
        for report in [report(ReportKind::Full, 1), report(ReportKind::Delta, 0)] {
            assert_eq!(columns(Some(&report))[0], None);
        }
        let [line, ..] = empty;
        let of_earlier = parse(&[line, None, None]).unwrap().unwrap();
        assert_eq!(of_earlier.reason, EMPTY_AFTER_STOCK);
        assert!(of_earlier.is_empty_full());
    }

    #[test]
    fn of_two_reports_the_later_one_counts() {
        let [_, held, reason] = columns(Some(&report(ReportKind::Full, 3)));
        for (requested_at, lines) in [(8, 3), (10, 0)] {
            let empty = format!("1 {requested_at} no_time none");
            let read = parse(&[Some(empty), held.clone(), reason.clone()]);
            let read = read.unwrap().unwrap();
            assert_eq!(read.lines, lines);
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
        let held = |text: &str| parse(&[None, Some(text.to_owned()), None]);
        for text in [
            "full",
            "half 1 1 2 no_time none",
            "full x 1 2 no_time none",
            "full 1 1 2",
        ] {
            assert_eq!(held(text), Err("held"), "{text}");
        }
        let quarantined = Some("1 2 unknown none".to_owned());
        assert_eq!(parse(&[quarantined, None, None]), Err("quarantined"));
    }
}
