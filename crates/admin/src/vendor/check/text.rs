//! The text of a check, in aligned lines.

use std::fmt::Write as _;
use std::time::Duration;

use domain::evidence::ResponseTimes;
use domain::ports::ConfiguredFeed;
use domain::preview::{Preview, PreviewCounts};
use domain::services::CheckedReport;
use vendor_feeds::{Sample, SampledRecord};

/// Width of the labels.
const LABELS: usize = 10;

/// First cell of rows that begin below the values of lines.
const INDENT: &str = "      ";

/// The text with its lines.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Adds a line with a label.
    fn line(&mut self, label: &str, value: &str) {
        let line = format!("{label:LABELS$}{value}");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Adds indented lines with aligned cells.
    fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                // Writing to a String cannot fail.
                let _ = write!(line, "  {cell:width$}");
            }
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }
}

/// The data that was read, with the first records and the refused ones.
///
/// `delays` states what delays the scheduled syncs of the vendor. The number of records is omitted if the report was not read
/// and none was found: it may have any number.
pub(super) fn source(
    configured: &ConfiguredFeed,
    delays: &[String],
    sample: &Sample,
    is_read: bool,
) -> String {
    let mut text = Text::default();
    text.line("vendor", configured.feed.vendor_id().as_str());
    text.line("source", &configured.url);
    for delay in delays {
        text.line("syncs", delay);
    }
    if let Some(file) = &sample.file {
        text.line("file", file);
    }
    let Some(bytes) = sample.bytes else {
        return text.0;
    };
    let mut size = format!("{bytes} bytes");
    if is_read || sample.records > 0 {
        let _ = write!(size, ", {}", counted(sample.records, "record"));
    }
    text.line("size", &size);
    text.line("times", &times(&sample.times));
    if !sample.first.is_empty() {
        text.line("\nfirst records:", "");
        let rows: Vec<Vec<String>> = sample.first.iter().map(record).collect();
        text.table(&rows);
    }
    let refused = &sample.refused;
    if refused.count() > 0 {
        text.line("\nrefused records:", "");
        for refusal in refused.kept() {
            text.table(&[vec![refusal.to_string()]]);
        }
        let more = refused.count() - refused.kept().len() as u64;
        if more > 0 {
            text.table(&[vec![format!("and {more} more")]]);
        }
    }
    text.0
}

/// A number with its noun.
fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// The cells of a record: its place, its fields, and what is read from them.
fn record(record: &SampledRecord) -> Vec<String> {
    let mut cells = vec![record.place.clone()];
    cells.extend(record.fields.iter().map(|field| {
        let value = field.value.as_deref().unwrap_or("missing");
        format!("{} = {value}", field.column)
    }));
    cells.push("->".to_owned());
    match &record.read {
        Some((product_id, units)) => {
            cells.push(product_id.to_string());
            cells.push(counted((*units).into(), "unit"));
        }
        None => cells.push("refused".to_owned()),
    }
    cells
}

fn times(times: &ResponseTimes) -> String {
    let modified = if times.is_file_time {
        "modified"
    } else {
        "Last-Modified"
    };
    let mut shown = Vec::new();
    if let Some(at) = times.last_modified {
        shown.push(format!("{modified} {at}"));
    }
    if times.is_last_modified_unusable {
        shown.push(format!("{modified} that cannot be read"));
    }
    if let Some(etag) = &times.etag {
        shown.push(format!("ETag {etag}"));
    }
    if let Some(at) = times.date {
        shown.push(format!("Date {at}"));
    }
    if let Some(age) = times.age {
        shown.push(format!("Age {} s", age.as_secs()));
    }
    if let Some(freshness) = times.freshness {
        shown.push(format!("may be cached for {} s", freshness.as_secs()));
    }
    if shown.is_empty() {
        return "none".to_owned();
    }
    shown.join(", ")
}

/// The effect of a valid report.
pub(super) fn comparison(checked: &CheckedReport, lag: Duration) -> String {
    let mut text = Text::default();
    text.line("\ncompared with the store:", "");
    if !checked.is_configured {
        text.line(
            "vendor",
            "not configured in the store yet: the programs configure it when they start, or `vendor apply`",
        );
    }
    text.line("as of", &as_of(checked, lag));
    effect(&mut text, &checked.preview);
    let in_reason = |verdict: &str| {
        let reason = checked.reason.as_ref();
        reason.is_some_and(|reason| reason.contains(verdict))
    };
    if let Some(verdict) = checked.guard.as_deref().filter(|it| !in_reason(it)) {
        text.line("guard", verdict);
    }
    orders(&mut text, checked);
    if checked.is_expired {
        text.line(
            "max_age",
            "the report is older than max_age allows: its units would not be sold",
        );
    }
    let result = match &checked.reason {
        None => "the report would be applied".to_owned(),
        Some(reason) => format!("{}: {reason}", checked.outcome.status()),
    };
    text.line("result", &result);
    text.0
}

/// The text in place of a comparison.
pub(super) fn skipped(error: &anyhow::Error) -> String {
    format!("\nnot compared with the store: {error:#}\n")
}

fn as_of(checked: &CheckedReport, lag: Duration) -> String {
    match checked.proof {
        Ok(proven) if lag.is_zero() => format!("{} ({})", proven.as_of, proven.evidence),
        Ok(proven) => format!(
            "{} ({}, with the lag of {} s subtracted)",
            proven.as_of,
            proven.evidence,
            lag.as_secs()
        ),
        Err(reason) => format!("proves nothing: {}", reason.explanation()),
    }
}

fn effect(text: &mut Text, preview: &Preview) {
    let PreviewCounts {
        added,
        changed,
        zeroed,
        unchanged,
        outdated,
        not_named,
    } = preview.counts;
    let mut products =
        format!("{added} added, {changed} changed, {zeroed} zeroed, {unchanged} unchanged");
    for (count, name) in [
        (outdated, "older than their row"),
        (not_named, "not in the report"),
    ] {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(products, ", {count} {name}");
        }
    }
    text.line("products", &products);
    let units = preview.units;
    let units = format!("{} before, {} after", units.before, units.after);
    text.line("units", &units);
    if !preview.largest.is_empty() {
        text.line("changes", "the largest:");
        let rows: Vec<Vec<String>> = preview
            .largest
            .iter()
            .map(|change| {
                let units = format!("{} -> {}", change.before, change.after);
                vec![INDENT.to_owned(), change.product_id.to_string(), units]
            })
            .collect();
        text.table(&rows);
    }
}

fn orders(text: &mut Text, checked: &CheckedReport) {
    let preview = &checked.preview;
    let is_partial = if checked.are_orders_complete {
        ""
    } else {
        "; there are more open orders than were read"
    };
    let pending = checked.pending;
    let line = match pending.orders {
        0 => format!("no order is PENDING{is_partial}"),
        orders => format!(
            "{orders} PENDING; the stock covers {} of them now and {} after the report{is_partial}",
            pending.covered_now, pending.covered_after
        ),
    };
    text.line("orders", &line);
    if preview.short > 0 {
        let line = format!(
            "products with fewer units than are sold and not shipped: {}, the largest:",
            preview.short
        );
        text.line("shortages", &line);
        let rows: Vec<Vec<String>> = preview
            .shortages
            .iter()
            .map(|shortage| {
                let units = format!("{} of {}", shortage.after, shortage.unshipped);
                vec![INDENT.to_owned(), shortage.product_id.to_string(), units]
            })
            .collect();
        text.table(&rows);
    }
}
