//! Formatting of figures and tables.

use crate::results::{Range, Results};

/// Columns or rows of figures: title and metric.
pub(super) type Metrics = [(&'static str, &'static str)];

/// A table of text cells, as Markdown without padding: a padded table changes in every line if one figure gets longer.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    metrics: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self::with_metrics(head, &[])
    }

    /// Creates a table with further columns, which are figures.
    pub(super) fn with_metrics<const N: usize>(head: [&str; N], metrics: &Metrics) -> Self {
        let head = head
            .into_iter()
            .chain(metrics.iter().map(|(title, _)| *title));
        Self {
            head: head.map(str::to_owned).collect(),
            metrics: metrics.iter().map(|(_, metric)| *metric).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(Vec::from(row));
    }

    /// Adds a row of any cells.
    pub(super) fn cells(&mut self, row: impl Iterator<Item = String>) {
        self.rows.push(row.collect());
    }

    /// Adds a row that ends with the figures of a measurement.
    pub(super) fn row_of<const N: usize>(
        &mut self,
        row: [String; N],
        results: &Results,
        (topic, what, at): (&str, &str, f64),
    ) {
        let metrics = self.metrics.iter();
        let figures = metrics.map(|metric| range(results.range(topic, what, at, metric)));
        self.rows.push(row.into_iter().chain(figures).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as Markdown. All columns except the first are right-aligned.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&self.head);
        text.push_str("|---|");
        let alignment = if self.head.iter().all(String::is_empty) {
            "---|"
        } else {
            "---:|"
        };
        text.push_str(&alignment.repeat(self.head.len().saturating_sub(1)));
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

/// Text of a missing value.
pub(super) const UNKNOWN: &str = "–";

/// Formats with three significant digits, or all integer digits, with thousands separators.
pub(super) fn number(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    let digits = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (index, char) in text.chars().enumerate() {
        let left = digits.saturating_sub(index);
        let after_digit = grouped.ends_with(|last: char| last.is_ascii_digit());
        if index < digits && left % 3 == 0 && after_digit {
            grouped.push(',');
        }
        grouped.push(char);
    }
    grouped
}

/// Like [`number`], without trailing zeros.
pub(super) fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.to_owned();
    }
    text
}

/// Formats a factor.
pub(super) fn times(value: Option<f64>) -> String {
    value.map_or_else(
        || UNKNOWN.to_owned(),
        |value| format!("{} ×", number(value)),
    )
}

/// Formats the median, followed by the minimum and maximum if the rounds differ.
pub(super) fn range(range: Option<Range>) -> String {
    match range {
        None => UNKNOWN.to_owned(),
        Some(Range { min, median, max }) if number(min) == number(max) => number(median),
        Some(Range { min, median, max }) => {
            format!("{} ({}–{})", number(median), number(min), number(max))
        }
    }
}

/// Divides `value` by `of`.
pub(super) fn ratio(value: Option<f64>, of: Option<f64>) -> Option<f64> {
    Some(value? / of.filter(|of| *of > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.234, "1.23"),
            (45.67, "45.7"),
            (999.4, "999"),
            (1_234.5, "1,234"),
            (12_345_678.0, "12,345,678"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(number(value), expected);
        }
        let shortened = [1.0, 0.25, 100.0, 0.1].map(short);
        assert_eq!(shortened, ["1", "0.25", "100", "0.1"]);
    }

    #[test]
    fn range_of_equal_rounds_is_one_number() {
        let of = |min, median, max| range(Some(Range { min, median, max }));
        assert_eq!(of(5.0, 5.0, 5.0), "5.00");
        assert_eq!(of(1_000.0, 2_000.0, 3_000.0), "2,000 (1,000–3,000)");
        assert_eq!(range(None), UNKNOWN);
    }

    #[test]
    fn ratio_needs_both_values() {
        assert_eq!(ratio(Some(6.0), Some(3.0)), Some(2.0));
        assert_eq!(ratio(Some(6.0), Some(0.0)), None);
        assert_eq!(ratio(None, Some(3.0)), None);
        assert_eq!(
            (times(Some(2.0)), times(None)),
            ("2.00 ×".to_owned(), UNKNOWN.to_owned())
        );
    }

    #[test]
    fn table_is_written_as_markdown() {
        let mut table = Table::new(["load", "figure"]);
        assert!(table.is_empty());
        table.row(["a", "1"].map(str::to_owned));
        assert_eq!(
            table.markdown(),
            "| load | figure |\n|---|---:|\n| a | 1 |\n"
        );
    }
}
