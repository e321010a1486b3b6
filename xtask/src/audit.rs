//! `cargo xtask audit`: recomputes every balance and fails if a row contradicts the others.

use anyhow::{Result, bail};
use domain::ports::{AuditFinding, AuditQueries};
use settings::Settings;
use storage_postgres::PgStore;

use crate::connection;

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let options = connection::pg_options(&settings.database);
    let findings = tokio::runtime::Runtime::new()?
        .block_on(async { PgStore::new(&options)?.audit().await })?;
    for finding in &findings {
        println!("{}", line(finding));
    }
    match findings.len() {
        0 => {
            let database = &settings.database;
            println!(
                "audit clean: database {} at {}:{}",
                database.name, database.host, database.port
            );
            Ok(())
        }
        1 => bail!("the audit found 1 row that contradicts the others"),
        count => bail!("the audit found {count} rows that contradict the others"),
    }
}

fn line(finding: &AuditFinding) -> String {
    format!("{}: {}: {}", finding.rule, finding.row, finding.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_rule_row_and_detail() {
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
