//! Figures and tables as text.

use super::super::results::Range;

/// A table that knows no values, only texts.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: head.map(str::to_owned).to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(Vec::from(row));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Columns but the first hold figures, and are set to the right.
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

/// What is not known.
pub(super) const UNKNOWN: &str = "–";

/// Three significant digits or all whole ones, with commas between thousands.
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

/// The same without zeros that say nothing.
pub(super) fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.to_owned();
    }
    text
}

/// Many times.
pub(super) fn times(value: Option<f64>) -> String {
    value.map_or_else(
        || UNKNOWN.to_owned(),
        |value| format!("{} ×", number(value)),
    )
}

/// The median, with the others if rounds differed.
pub(super) fn range(range: Option<Range>) -> String {
    match range {
        None => UNKNOWN.to_owned(),
        Some(Range { min, median, max }) if number(min) == number(max) => number(median),
        Some(Range { min, median, max }) => {
            format!("{} ({}–{})", number(median), number(min), number(max))
        }
    }
}

/// One by the other.
pub(super) fn ratio(value: Option<f64>, of: Option<f64>) -> Option<f64> {
    Some(value? / of.filter(|of| *of > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_exact_as_they_are_worth() {
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
    fn a_range_of_one_round_is_one_number() {
        let of = |min, median, max| range(Some(Range { min, median, max }));
        assert_eq!(of(5.0, 5.0, 5.0), "5.00");
        assert_eq!(of(1_000.0, 2_000.0, 3_000.0), "2,000 (1,000–3,000)");
        assert_eq!(range(None), UNKNOWN);
    }

    #[test]
    fn a_ratio_needs_both() {
        assert_eq!(ratio(Some(6.0), Some(3.0)), Some(2.0));
        assert_eq!(ratio(Some(6.0), Some(0.0)), None);
        assert_eq!(ratio(None, Some(3.0)), None);
        assert_eq!(
            (times(Some(2.0)), times(None)),
            ("2.00 ×".to_owned(), UNKNOWN.to_owned())
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(["load", "figure"]);
        assert!(table.is_empty());
        table.row(["a", "1"].map(str::to_owned));
        assert_eq!(
            table.markdown(),
            "| load | figure |\n|---|---:|\n| a | 1 |\n"
        );
    }
}
