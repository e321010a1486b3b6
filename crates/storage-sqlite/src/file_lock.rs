//! One process a file.
//!
//! The lock is on a file beside the store's, not on the store's own: POSIX record locks, which SQLite takes on that one,
//! are lost by the whole process as soon as any of its handles on the file is closed
//! (<https://sqlite.org/howtocorrupt.html>, section 2.2).

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Held as long as the store is open. The system takes it back from a process that dies.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

/// Why a lock could not be had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it; which one, if it says so.
    Held(Option<u32>),
    /// The lock's file cannot be used.
    Io(PathBuf, io::Error),
}

/// Beside `store`.
fn path_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl FileLock {
    /// Takes the lock of the store in this file, at once or not at all.
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
        // Only for the message to whoever comes second.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        noted.map_err(|error| LockError::Io(path, error))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
