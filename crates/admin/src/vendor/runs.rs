//! `order-aggregator-admin vendor runs`: prints the runs of a vendor.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use domain::identifiers::VendorId;
use domain::ports::{Run, RunQueries, StoreError};
use settings::Settings;

use super::{pause, vendor_id};
use crate::store::{self, Access};

/// Number of runs that are read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct RunsArgs {
    /// Id of the vendor.
    #[arg(long, value_name = "ID", value_parser = vendor_id)]
    vendor: VendorId,
    /// Maximum number of runs, newest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Data file of the embedded deployment, which may be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(super) fn runs(args: &RunsArgs, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Read, settings, &runtime)?;
    let vendor_id = &args.vendor;
    runtime.block_on(async {
        let known = store.find_vendors(std::slice::from_ref(vendor_id)).await?;
        ensure!(!known.is_empty(), "there is no vendor {vendor_id}");
        for stored in store.find_pauses(std::slice::from_ref(vendor_id)).await? {
            for line in pause::delays(&stored) {
                println!("vendor {vendor_id}: {line}");
            }
        }
        let found = print(&*store, vendor_id, args.limit).await?;
        if found == 0 {
            println!("vendor {vendor_id} has no runs");
        }
        Ok(())
    })
}

/// Prints at most `limit` runs. Returns their number.
async fn print(
    store: &(impl RunQueries + ?Sized),
    vendor_id: &VendorId,
    limit: u32,
) -> Result<u32, StoreError> {
    let (mut found, mut before) = (0, None);
    while found < limit {
        let page = store
            .list_runs(vendor_id, before, PAGE.min(limit - found))
            .await?;
        let Some(last) = page.last() else {
            break;
        };
        before = Some(last.id);
        for run in &page {
            found += 1;
            print!("{}", text(run));
        }
    }
    Ok(found)
}

/// The lines of a run.
fn text(run: &Run) -> String {
    let details = &run.details;
    let products = details.products;
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut text = format!(
        "run {}  {}  {}  took_ms={}  bytes={}  rows={}  added={}  changed={}  unchanged={}  zeroed={}",
        run.id,
        run.finished_at,
        run.outcome.status(),
        run.finished_at.since(run.started_at).as_millis(),
        number(details.size.bytes),
        number(details.size.rows),
        products.added,
        products.changed,
        products.unchanged,
        products.zeroed,
    );
    // Writing to a String cannot fail.
    if let Some(proven) = details.proven {
        let _ = write!(text, "  as_of={} ({})", proven.as_of, proven.evidence);
    }
    text.push('\n');
    if let Some(file) = &details.file {
        let _ = writeln!(text, "    file: {file}");
    }
    // The error of a refused report contains the first record, and that of a held one is the verdict of the guard.
    let guard = details.guard.as_ref();
    let error = run.error.as_ref().filter(|error| Some(*error) != guard);
    if let Some(error) = error {
        let refused = details.refused.to_string();
        let (error, count) = match error.strip_suffix(&refused) {
            Some(error) => (
                error,
                format!("refused records: {}", details.refused.count()),
            ),
            None => (error.as_str(), String::new()),
        };
        let _ = writeln!(text, "    error: {error}{count}");
    }
    if let Some(verdict) = guard {
        let _ = writeln!(text, "    guard: {verdict}");
    }
    for refusal in details.refused.kept() {
        let _ = writeln!(text, "    {refusal}");
    }
    let more = details.refused.count() - details.refused.kept().len() as u64;
    if more > 0 {
        let _ = writeln!(text, "    and {more} more refused records");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::evidence::{Evidence, Proven};
    use domain::ports::{RunId, SyncOutcome};
    use domain::refusal::{Refusal, Refusals};
    use domain::run::{ProductCounts, ReportSize, RunDetails};
    use domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn run_is_printed_with_its_refused_records() {
        let finished_at = Timestamp::from_micros(1_795_435_200_000_000);
        let mut refused = Refusals::default();
        for number in 1..=21 {
            refused.add(|| Refusal {
                place: format!("row {number}"),
                column: "Qty".to_owned(),
                value: None,
                rule: "expected a number".to_owned(),
            });
        }
        let mut run = Run {
            id: RunId(7),
            started_at: finished_at.minus(Duration::from_millis(1_500)),
            finished_at,
            outcome: SyncOutcome::Failed,
            details: RunDetails {
                proven: None,
                size: ReportSize {
                    bytes: Some(77),
                    rows: None,
                },
                file: Some("stock_1.csv".to_owned()),
                products: ProductCounts::default(),
                refused: refused.clone(),
                guard: None,
            },
            error: Some("vendor acme: the report is malformed: ".to_owned() + &refused.to_string()),
        };
        let printed = text(&run);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "run 7  2026-11-23T12:00:00.000000Z  FAILED  took_ms=1500  bytes=77  rows=-  added=0  changed=0  unchanged=0  zeroed=0",
                "    file: stock_1.csv",
                "    error: vendor acme: the report is malformed: refused records: 21",
                "    row 1: Qty is missing, expected a number",
            ]
        );
        assert_eq!(lines[23..], ["    and 1 more refused records"]);

        run.details = RunDetails {
            proven: Some(Proven {
                as_of: finished_at,
                evidence: Evidence::FileTime,
            }),
            guard: Some("ok".to_owned()),
            ..RunDetails::default()
        };
        run.error = None;
        let printed = text(&run);
        assert!(
            printed.ends_with(
                "zeroed=0  as_of=2026-11-23T12:00:00.000000Z (file_time)\n    guard: ok\n"
            )
        );

        run.outcome = SyncOutcome::Applied;
        run.error = Some("p1 is held by another transaction".to_owned());
        let printed = text(&run);
        let expected = "(file_time)\n    error: p1 is held by another transaction\n    guard: ok\n";
        assert!(printed.contains("  OK  took_ms=") && printed.ends_with(expected));

        run.outcome = SyncOutcome::Quarantined;
        run.error = Some("too few rows".to_owned());
        run.details.guard = run.error.clone();
        let printed = text(&run);
        let expected = "(file_time)\n    guard: too few rows\n";
        assert!(printed.contains("  QUARANTINED  ") && printed.ends_with(expected));
    }
}
