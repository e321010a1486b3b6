//! `[vendors.guard]`: how much one report may take away.

use domain::guard::{Guard, Share};
use domain::report::ReportKind;
use feed_options::RuleOptions;
use serde::Deserialize;

use super::{Problem, problem};
use crate::fields;

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct GuardTable {
    #[serde(deserialize_with = "fields::optional_share")]
    max_drop: Option<Share>,
    #[serde(deserialize_with = "fields::optional_share")]
    max_flips: Option<Share>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 1_000_000_000>")]
    min_rows: Option<u64>,
}

impl GuardTable {
    /// Returns the guard of a vendor with reports of this kind and these rules.
    pub(super) fn check(self, kind: ReportKind, rules: &RuleOptions) -> Result<Guard, Problem> {
        if let Some(min_rows) = self.min_rows {
            let name = "guard.min_rows";
            if kind == ReportKind::Delta {
                let text = "is for full reports, but kind is \"delta\": a delta may have any number of rows";
                return Err(problem(name, text));
            }
            if let Some(max_rows) = rules.max_rows.filter(|max_rows| *max_rows < min_rows) {
                let text =
                    format!("is {min_rows}, expected at most rules.max_rows, which is {max_rows}");
                return Err(problem(name, text));
            }
        }
        Ok(Guard {
            max_drop: self.max_drop,
            max_flips: self.max_flips,
            min_rows: self.min_rows.unwrap_or(0),
        })
    }
}
