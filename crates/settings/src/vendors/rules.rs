//! `[vendors.rules]`: what values mean that are not a count of units.

use domain::report::ReportKind;
use serde::{Deserialize, Deserializer};

use super::{Problem, problem};
use crate::fields;

/// The meaning of values that are not a count of units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSettings {
    /// A second record of a product.
    pub duplicates: DuplicateRule,
    /// Whether a quantity below 0 is read as 0, and not refused.
    pub reads_negative_as_zero: bool,
    /// Whether a quantity that is not an integer is rounded down, and not refused.
    pub rounds_down: bool,
    /// Maximum number of records; `None` is no limit.
    pub max_rows: Option<u64>,
}

/// The meaning of a second record of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateRule {
    /// The report is refused.
    #[default]
    Error,
    /// The quantities are added.
    Sum,
    /// The last record is valid.
    Last,
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct RulesTable {
    /// The kind of report in which absent products have this meaning.
    #[serde(deserialize_with = "absent")]
    absent: Option<ReportKind>,
    #[serde(deserialize_with = "duplicates")]
    duplicates: DuplicateRule,
    #[serde(rename = "negative", deserialize_with = "negative")]
    reads_negative_as_zero: bool,
    #[serde(rename = "fraction", deserialize_with = "fraction")]
    rounds_down: bool,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 1_000_000_000>")]
    max_rows: Option<u64>,
}

impl RulesTable {
    /// Returns the rules and the kind of the reports; `kind` is the vendor's setting.
    pub(super) fn check(
        self,
        kind: Option<ReportKind>,
    ) -> Result<(RuleSettings, ReportKind), Problem> {
        let kind = match (kind, self.absent) {
            (Some(ReportKind::Full), Some(ReportKind::Delta)) => {
                let text = "is \"keep\", but kind is \"full\", which means \"zero\"";
                return Err(problem("rules.absent", text));
            }
            (Some(ReportKind::Delta), Some(ReportKind::Full)) => {
                let text = "is \"zero\", but kind is \"delta\", which means \"keep\"";
                return Err(problem("rules.absent", text));
            }
            (kind, absent) => kind.or(absent).unwrap_or(ReportKind::Full),
        };
        let rules = RuleSettings {
            duplicates: self.duplicates,
            reads_negative_as_zero: self.reads_negative_as_zero,
            rounds_down: self.rounds_down,
            max_rows: self.max_rows,
        };
        Ok((rules, kind))
    }
}

fn absent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReportKind>, D::Error> {
    let choices = [("zero", ReportKind::Full), ("keep", ReportKind::Delta)];
    fields::one_of(deserializer, &choices).map(Some)
}

fn duplicates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DuplicateRule, D::Error> {
    let choices = [
        ("error", DuplicateRule::Error),
        ("sum", DuplicateRule::Sum),
        ("last", DuplicateRule::Last),
    ];
    fields::one_of(deserializer, &choices)
}

fn negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    fields::one_of(deserializer, &[("error", false), ("zero", true)])
}

fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    fields::one_of(deserializer, &[("error", false), ("floor", true)])
}
