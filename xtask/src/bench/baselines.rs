//! Running the program `baselines`, which is what the service is held against.

use anyhow::{Context, Result};
use serde_json::Value;

use super::generator::run_to_end;
use crate::programs::Programs;

/// One of its commands with its arguments.
pub(super) fn command_line(arguments: &[String]) -> String {
    let profile = super::PROFILE.name();
    format!("target/{profile}/baselines {}", arguments.join(" "))
}

/// Runs it to its end, and returns what it measured.
pub(super) async fn run(
    programs: &Programs,
    arguments: &[String],
    environment: &[(&'static str, String)],
) -> Result<Value> {
    let program = programs.path("baselines")?;
    let program = program
        .to_str()
        .context("the path of baselines is no text")?;
    let printed = run_to_end(program, arguments, environment).await?;
    serde_json::from_str(&printed).with_context(|| format!("baselines printed {printed}"))
}

/// A number of a result.
pub(super) fn number(result: &Value, member: &str) -> Result<f64> {
    result[member]
        .as_f64()
        .with_context(|| format!("baselines told no {member}: {result}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_missing_is_named() {
        let result = serde_json::json!({"settled_per_s": 2.5});
        assert_eq!(number(&result, "settled_per_s").ok(), Some(2.5));
        assert!(
            number(&result, "other")
                .unwrap_err()
                .to_string()
                .contains("other")
        );
    }
}
