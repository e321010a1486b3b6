//! Runs the program `ceilings`, which measures the ceilings of the machine.

use anyhow::{Context, Result};
use dev_env::programs::{Profile, Programs};
use serde_json::Value;

use super::generator::run_to_end;

/// Returns the command line of `ceilings` with these arguments.
pub(super) fn command_line(profile: Profile, arguments: &[String]) -> String {
    format!("target/{}/ceilings {}", profile.name(), arguments.join(" "))
}

/// Runs `ceilings` and returns its result.
pub(super) async fn run(
    programs: &Programs,
    arguments: &[String],
    environment: &[(&'static str, String)],
) -> Result<Value> {
    let program = programs.path("ceilings")?;
    let program = program
        .to_str()
        .context("the path of ceilings is not UTF-8")?;
    let printed = run_to_end(program, arguments, environment).await?;
    serde_json::from_str(&printed).with_context(|| format!("ceilings printed {printed}"))
}

/// Returns a number of the result.
pub(super) fn number(result: &Value, member: &str) -> Result<f64> {
    result[member]
        .as_f64()
        .with_context(|| format!("the result of ceilings has no {member}: {result}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_number_is_named_in_the_error() {
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
