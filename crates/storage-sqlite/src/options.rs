//! Path of the data file, and settings for opening it.

use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_READERS: usize = 2;
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// Settings for opening a store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Path of the data file. While the store is open, there are companion files with the suffixes `-wal`, `-shm` and
    /// `.lock`.
    pub path: PathBuf,
    /// Number of reader threads, at least 1.
    pub readers: usize,
    /// Time that a unit of work waits for the previous ones.
    pub wait: Duration,
}

impl SqliteOptions {
    /// Creates options for this file, with two readers and a timeout of 5 s.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            readers: DEFAULT_READERS,
            wait: DEFAULT_WAIT,
        }
    }
}
