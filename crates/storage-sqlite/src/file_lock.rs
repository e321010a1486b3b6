//! Restricts a data file to one process.
//!
//! The lock is on a separate file, not on the data file: POSIX record locks, which SQLite takes on the data file, are
//! lost by the whole process as soon as any of its handles of the file is closed
//! (<https://sqlite.org/howtocorrupt.html>, section 2.2).

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Held while the store is open. The operating system releases the lock of a process that dies.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

/// Why the lock could not be taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds the lock; contains its process id, if known.
    Held(Option<u32>),
    /// The lock file cannot be used.
    Io(PathBuf, io::Error),
}

/// Returns the path of the lock file, in the directory of `store`.
fn path_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl FileLock {
    /// Takes the lock of the store in this file, without waiting.
    pub(crate) fn take(store: &Path) -> Result<Self, LockError> {
        let path = path_of(store);
        let opened = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(|error| LockError::Io(path.clone(), error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(path, error)),
        }
        // The process id is only for the error message of another process.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|error| LockError::Io(path, error))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
