//! Audits of the stores that development programs create.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use domain::ports::{AuditFinding, AuditQueries};
use settings::EmbeddedSettings;
use storage_postgres::{PgOptions, PgStore};
use storage_sqlite::SqliteStore;

/// Audits a database, and fails on a finding.
pub async fn database(options: &PgOptions) -> Result<()> {
    fail_on_findings(&PgStore::new(options)?.audit().await?)
}

/// Audits a data file, which may be in use, and fails on a finding.
pub async fn data_file(file: &Path, settings: &EmbeddedSettings) -> Result<()> {
    let options = wiring::sqlite(settings, file.to_owned());
    let store = SqliteStore::open_read_only(&options, Arc::new(SystemClock))?;
    fail_on_findings(&store.audit().await?)
}

fn fail_on_findings(findings: &[AuditFinding]) -> Result<()> {
    let lines = findings.iter();
    let lines: Vec<String> = lines
        .map(|finding| format!("{}: {}: {}", finding.rule, finding.row, finding.detail))
        .collect();
    ensure!(
        lines.is_empty(),
        "the audit found inconsistent rows:\n{}",
        lines.join("\n")
    );
    Ok(())
}
