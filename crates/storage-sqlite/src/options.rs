//! Where the file is, and how long to wait for it.

use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_READERS: usize = 2;
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How to open a store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file; two more stand beside it while it is open, with `-wal` and `-shm` at the end of their names, and one
    /// with `.lock`.
    pub path: PathBuf,
    /// Threads that answer reads, at least 1.
    pub readers: usize,
    /// How long a unit of work waits for its turn before it gives up.
    pub wait: Duration,
}

impl SqliteOptions {
    /// The store in this file, with two readers and a wait of 5 s.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            readers: DEFAULT_READERS,
            wait: DEFAULT_WAIT,
        }
    }
}
