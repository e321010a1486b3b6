//! `order-aggregator-admin audit`: recomputes every balance and fails if the stored rows are inconsistent.

use std::path::PathBuf;

use anyhow::{Result, bail};
use domain::ports::AuditFinding;
use settings::Settings;

use crate::store::{self, Access};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data file of the embedded deployment, which may be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let data = args.data.as_deref();
    let store = store::open(data, Access::Read, settings, &runtime)?;
    let findings = runtime.block_on(store.audit())?;
    let database = &settings.database;
    let location = data.map_or_else(
        || {
            format!(
                "database {} at {}:{}",
                database.name, database.host, database.port
            )
        },
        |path| format!("data file {}", path.display()),
    );
    fail_on_findings(&findings)?;
    println!("audit clean: {location}");
    Ok(())
}

/// Prints each finding. Fails if there is one.
pub(crate) fn fail_on_findings(findings: &[AuditFinding]) -> Result<()> {
    for finding in findings {
        println!("{}", line(finding));
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("the audit found 1 inconsistent row"),
        count => bail!("the audit found {count} inconsistent rows"),
    }
}

fn line(finding: &AuditFinding) -> String {
    format!("{}: {}: {}", finding.rule, finding.row, finding.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_is_one_line_with_rule_row_and_detail() {
        let finding = AuditFinding {
            rule: "stock is the sum of what vendors have",
            row: "product SKU-1".to_owned(),
            detail: "quantity is 5, should be 4".to_owned(),
        };
        assert_eq!(
            line(&finding),
            "stock is the sum of what vendors have: product SKU-1: quantity is 5, should be 4"
        );
    }
}
