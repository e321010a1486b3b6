//! Options of the SQLite adapter.

use std::path::PathBuf;

use settings::EmbeddedSettings;
use storage_sqlite::SqliteOptions;

/// Returns the options for the data file at `path`.
#[must_use]
pub fn sqlite(settings: &EmbeddedSettings, path: PathBuf) -> SqliteOptions {
    SqliteOptions {
        readers: settings.readers,
        wait: settings.write_timeout,
        ..SqliteOptions::new(path)
    }
}
