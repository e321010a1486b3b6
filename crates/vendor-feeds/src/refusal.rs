//! Records that the rules do not cover.

use std::fmt;

use crate::excerpt::excerpt;
use crate::record::Place;

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
    pub(crate) fn push(
        &mut self,
        place: Place,
        column: &str,
        value: Option<&str>,
        rule: impl Into<String>,
    ) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT_REFUSALS {
            self.kept.push(Refusal {
                place: place.to_string(),
                column: excerpt(column),
                value: value.map(excerpt),
                rule: rule.into(),
            });
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
