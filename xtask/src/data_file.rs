//! The data file of the embedded deployment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use settings::EmbeddedSettings;
use storage_sqlite::SqliteStore;

/// A path as it is given, from where the caller stands: before this program enters the root folder.
pub(crate) fn path(text: &str) -> io::Result<PathBuf> {
    std::path::absolute(text)
}

/// For what needs something to be in it.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    ensure!(path.is_file(), "there is no data file {}", path.display());
    Ok(())
}

/// Opens a data file to write to it, which nobody else may do meanwhile; creates it if there is none.
pub(crate) fn open(path: &Path, settings: &EmbeddedSettings) -> Result<SqliteStore> {
    let options = wiring::sqlite(settings, path.to_owned());
    Ok(SqliteStore::open(&options, Arc::new(SystemClock))?)
}

/// Opens a data file that exists to read it, also while another process has it.
pub(crate) fn open_read_only(path: &Path, settings: &EmbeddedSettings) -> Result<SqliteStore> {
    let options = wiring::sqlite(settings, path.to_owned());
    Ok(SqliteStore::open_read_only(
        &options,
        Arc::new(SystemClock),
    )?)
}
