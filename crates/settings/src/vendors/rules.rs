//! `[vendors.rules]`: what values mean that are not a count of units.

use domain::report::ReportKind;
use feed_options::{Duplicates, Fraction, Negative, RuleOptions};
use serde::{Deserialize, Deserializer};

use super::{Problem, problem};
use crate::fields;

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct RulesTable {
    /// The kind of report in which absent products have this meaning.
    #[serde(deserialize_with = "absent")]
    absent: Option<ReportKind>,
    #[serde(deserialize_with = "duplicates")]
    duplicates: Duplicates,
    #[serde(deserialize_with = "negative")]
    negative: Negative,
    #[serde(deserialize_with = "fraction")]
    fraction: Fraction,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 1_000_000_000>")]
    max_rows: Option<u64>,
}

impl RulesTable {
    /// Returns the rules and the kind of the reports; `kind` is the vendor's setting.
    pub(super) fn check(
        self,
        kind: Option<ReportKind>,
    ) -> Result<(RuleOptions, ReportKind), Problem> {
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
        let rules = RuleOptions {
            duplicates: self.duplicates,
            negative: self.negative,
            fraction: self.fraction,
            max_rows: self.max_rows,
        };
        Ok((rules, kind))
    }
}

fn absent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReportKind>, D::Error> {
    let choices = [("zero", ReportKind::Full), ("keep", ReportKind::Delta)];
    fields::one_of(deserializer, &choices).map(Some)
}

fn duplicates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duplicates, D::Error> {
    let choices = [
        ("error", Duplicates::Error),
        ("sum", Duplicates::Sum),
        ("last", Duplicates::Last),
    ];
    fields::one_of(deserializer, &choices)
}

fn negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Negative, D::Error> {
    let choices = [("error", Negative::Error), ("zero", Negative::Zero)];
    fields::one_of(deserializer, &choices)
}

fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fraction, D::Error> {
    let choices = [("error", Fraction::Error), ("floor", Fraction::Floor)];
    fields::one_of(deserializer, &choices)
}
