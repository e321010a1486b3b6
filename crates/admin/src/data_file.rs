//! The data file of the embedded deployment.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use settings::EmbeddedSettings;
use storage_sqlite::SqliteStore;

/// Fails if the data file does not exist.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    ensure!(path.is_file(), "data file {} not found", path.display());
    Ok(())
}

/// Opens a data file for exclusive writing. Creates it if it is missing.
pub(crate) fn open(path: &Path, settings: &EmbeddedSettings) -> Result<SqliteStore> {
    let options = wiring::sqlite(settings, path.to_owned());
    Ok(SqliteStore::open(&options, Arc::new(SystemClock))?)
}

/// Opens an existing data file for reading, also while another process uses it.
pub(crate) fn open_read_only(path: &Path, settings: &EmbeddedSettings) -> Result<SqliteStore> {
    let options = wiring::sqlite(settings, path.to_owned());
    Ok(SqliteStore::open_read_only(
        &options,
        Arc::new(SystemClock),
    )?)
}
