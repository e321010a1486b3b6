//! The records of a document that a feed's field mapping and rules do not cover. They refuse the whole report.

use std::fmt;

/// Number of refused records that are kept; further ones are counted.
pub const MAX_KEPT_REFUSALS: usize = 20;

/// One record that the field mapping or the rules do not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where the record is, for example `row 7`.
    pub place: String,
    /// The field, as the settings name it.
    pub column: String,
    /// The value, as an excerpt on one line; `None` if the record does not have the field.
    pub value: Option<String>,
    /// The problem, and the setting that would accept the value if there is one.
    pub rule: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            column,
            value,
            rule,
        } = self;
        write!(f, "{place}: {column} is ")?;
        match value {
            Some(value) => write!(f, "{value}, {rule}"),
            None => write!(f, "missing, {rule}"),
        }
    }
}

/// The refused records of a document: the first [`MAX_KEPT_REFUSALS`] of them, and the number of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    kept: Vec<Refusal>,
    count: u64,
}

impl Refusals {
    /// Creates the refused records of a stored run: the kept ones, and the number of all. Keeps the first
    /// [`MAX_KEPT_REFUSALS`], and counts each kept one.
    #[must_use]
    pub fn from_stored(mut kept: Vec<Refusal>, count: u64) -> Self {
        kept.truncate(MAX_KEPT_REFUSALS);
        let count = count.max(kept.len() as u64);
        Self { kept, count }
    }

    /// Counts a refused record. `refusal` is called only if the record is kept.
    pub fn add(&mut self, refusal: impl FnOnce() -> Refusal) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT_REFUSALS {
            self.kept.push(refusal());
        }
    }

    /// The first refused records.
    #[must_use]
    pub fn kept(&self) -> &[Refusal] {
        &self.kept
    }

    /// The number of refused records.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// The first refused record and the number of the others, on one line.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.kept.first() else {
            return f.write_str("no record is refused");
        };
        write!(f, "{first}")?;
        match self.count - 1 {
            0 => Ok(()),
            1 => f.write_str("; and 1 more record"),
            others => write!(f, "; and {others} more records"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(number: u64) -> Refusal {
        Refusal {
            place: format!("row {number}"),
            column: "Qty".to_owned(),
            value: (number > 1).then(|| "\"x\"".to_owned()),
            rule: "expected a number".to_owned(),
        }
    }

    #[test]
    fn first_refusals_are_kept_and_all_are_counted() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.to_string(), "no record is refused");
        refusals.add(|| refusal(1));
        let first = "row 1: Qty is missing, expected a number";
        assert_eq!(refusals.to_string(), first);
        for number in 2..=22 {
            refusals.add(|| refusal(number));
        }
        assert_eq!((refusals.kept().len(), refusals.count()), (20, 22));
        assert_eq!(refusals.kept()[19], refusal(20));
        let text = format!("{first}; and 21 more records");
        assert_eq!(refusals.to_string(), text);
        let stored = Refusals::from_stored(refusals.kept().to_vec(), 22);
        assert_eq!(stored, refusals);
    }

    #[test]
    fn stored_refusals_are_counted_at_least_once_each() {
        let kept: Vec<Refusal> = (1..=21).map(refusal).collect();
        let read = Refusals::from_stored(kept, 0);
        assert_eq!((read.kept().len(), read.count()), (20, 20));
    }
}
