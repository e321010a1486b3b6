//! SQLite.

use std::path::PathBuf;

use settings::EmbeddedSettings;
use storage_sqlite::SqliteOptions;

/// How a program opens the data file at `path`.
#[must_use]
pub fn sqlite(settings: &EmbeddedSettings, path: PathBuf) -> SqliteOptions {
    SqliteOptions {
        readers: settings.readers,
        wait: settings.write_timeout,
        ..SqliteOptions::new(path)
    }
}
