//! The newest file of a directory that matches a pattern, or the oldest of deltas that do not stay: the part that local
//! directories, SFTP, FTPS and buckets share.
//!
//! A file is read if it is complete: it is not empty, its name is not that of an unfinished file, and it is the same version
//! before and after the transfer. A file that was modified recently is looked at once more, a second later, before it is read.

mod finish;
mod pattern;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backon::Retryable;
use domain::evidence::ResponseTimes;
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError, FileVersion, ReadFile};
use tracing::debug;

use super::{DocumentSource, Transferred, of_file, retry_pauses, storage_failure};
use crate::decode::{Limit, Spool, length};
use crate::excerpt::excerpt;
use crate::feed::in_file;
use crate::secrets::Secrets;

pub(super) use self::finish::After;
use self::finish::by_age;
pub(super) use self::pattern::FilePattern;
pub(crate) use self::pattern::matches_pattern;

/// Maximum number of entries in a directory.
pub(super) const MAX_ENTRIES: usize = 50_000;
/// Maximum size of the listing of a directory as a server sends it, in bytes.
#[cfg(any(feature = "sftp", feature = "ftps"))]
pub(super) const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// Time between two looks at a file that was modified recently: it may still grow.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Age of a file from which it is not looked at twice before it is read.
const SETTLED_AGE: Duration = Duration::from_mins(1);
/// Maximum length of an error message of a library or a server that is passed on, in characters.
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
const MAX_REASON_CHARS: usize = 200;

/// The reason why a file could not be read.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: FeedError,
    /// Whether a retry may succeed.
    pub(super) is_transient: bool,
}

impl Failure {
    /// A failure that a retry does not remove.
    pub(super) fn permanent(problem: impl Into<String>) -> Self {
        FeedError::Unavailable(problem.into()).into()
    }

    /// A failure that a retry may remove.
    pub(super) fn transient(problem: impl Into<String>) -> Self {
        Self {
            error: FeedError::Unavailable(problem.into()),
            is_transient: true,
        }
    }
}

impl From<FeedError> for Failure {
    fn from(error: FeedError) -> Self {
        Self {
            error,
            is_transient: false,
        }
    }
}

/// Checks the number of entries in a directory.
pub(super) fn check_entries(directory: &str, entries: usize) -> Result<(), FeedError> {
    if entries <= MAX_ENTRIES {
        return Ok(());
    }
    let shown = excerpt(directory);
    Err(FeedError::Unavailable(format!(
        "the directory {shown} has more than {MAX_ENTRIES} entries"
    )))
}

/// The failure of a listing that is larger than [`MAX_LISTING_BYTES`].
#[cfg(any(feature = "sftp", feature = "ftps"))]
pub(super) fn too_large_listing(directory: &str) -> Failure {
    let shown = excerpt(directory);
    Failure::permanent(format!(
        "the listing of {shown} is larger than {MAX_LISTING_BYTES} bytes"
    ))
}

/// Formats the message of a library or a server on one line.
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
pub(super) fn reason(error: impl std::fmt::Display) -> String {
    log_text::excerpt(error.to_string().trim_end(), MAX_REASON_CHARS)
}

/// Whether a file with a name is wanted.
pub(super) type NameFilter<'f> = dyn for<'n> Fn(&'n str) -> bool + Sync + 'f;

/// One directory of a server, over one connection.
#[async_trait]
pub(super) trait Directory: Send {
    /// Returns the files whose names are accepted by `is_wanted`. MUST return the version of the target for a link. MUST leave
    /// out directories, and files that were removed meanwhile. MUST fail if there are more than [`MAX_ENTRIES`] entries, wanted
    /// or not.
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure>;

    /// Returns the current version of a file, by the same clock as [`list`](Self::list). MUST return `None` if the name is
    /// that of something else, such as a directory.
    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure>;

    /// Transfers a file. MUST NOT transfer more than `limit`.
    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure>;

    /// Deletes a listed file. MUST delete a link itself.
    async fn remove(&mut self, name: &str) -> Result<(), Failure>;

    /// Moves a listed file to `directory`, which is in this directory, with the name `new_name`. MUST move a link itself. MUST
    /// return `false`, and change nothing, if there is such a name. MUST fail if `directory` is a link, where the server shows it.
    async fn rename(
        &mut self,
        name: &str,
        directory: &str,
        new_name: &str,
    ) -> Result<bool, Failure>;
}

/// Opens a directory.
#[async_trait]
pub(super) trait OpenDirectory: Send + Sync {
    type Directory: Directory;

    /// Connects to the server.
    async fn open(&self) -> Result<Self::Directory, Failure>;

    /// Whether modification times are by the clock of this machine.
    fn has_local_clock(&self) -> bool {
        false
    }
}

/// Reads files of one vendor from a directory.
pub(super) struct DirectorySource<O> {
    pub(super) vendor_id: VendorId,
    pub(super) directory: O,
    pub(super) file: FilePattern,
    pub(super) after: After,
    pub(super) max_bytes: u64,
    pub(super) retries: u32,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) secrets: Arc<Secrets>,
}

#[async_trait]
impl<O: OpenDirectory> DocumentSource for DirectorySource<O> {
    async fn transfer(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Transferred, FeedError> {
        let last_failure = Mutex::new(last_failure);
        // A file that an earlier attempt found was seen.
        let with_file = |error| {
            let last = last_failure.lock().unwrap_or_else(PoisonError::into_inner);
            let found = last.clone().and_then(|last| last.split_file_time().1);
            of_file(found, error)
        };
        let store = |error| {
            let error = with_file(error);
            **last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        };
        (|| self.attempt(&store))
            .retry(retry_pauses(self.retries))
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.is_transient)
            .notify(|failure, pause| {
                let error = self.secrets.redact_error(failure.error.clone());
                debug!(vendor.id = %self.vendor_id, %error, pause_ms = pause.as_millis(), "reading the vendor's file failed; retrying");
                store(error);
            })
            .await
            .map_err(|failure| with_file(failure.error))
    }

    async fn finish(&self, file: &ReadFile) -> Result<(), FeedError> {
        self.finish_files(file).await
    }
}

impl<O: OpenDirectory> DirectorySource<O> {
    /// `on_found` receives the error of a transfer that does not end.
    async fn attempt(&self, on_found: &(dyn Fn(FeedError) + Sync)) -> Result<Transferred, Failure> {
        let mut directory = self.directory.open().await?;
        let found = self.find(&mut directory).await?;
        let version = &found.version;
        let shown = excerpt(&version.name);
        let unread = FeedError::Unavailable(format!("the file {shown} was not read to its end"));
        on_found(of_file(version.modified, unread));
        let bytes = self.read(&mut directory, version).await;
        let bytes = bytes.map_err(|failure| Failure {
            error: of_file(version.modified, failure.error),
            ..failure
        })?;
        let times = ResponseTimes {
            last_modified: version.modified,
            is_last_modified_unusable: version.modified.is_none(),
            is_file_time: true,
            ..ResponseTimes::default()
        };
        Ok(Transferred {
            bytes,
            file: Some(found),
            is_compressed: false,
            times,
        })
    }

    async fn read(
        &self,
        directory: &mut O::Directory,
        version: &FileVersion,
    ) -> Result<Spool, Failure> {
        if version.size == 0 {
            return Err(not_ready(version, "is empty").into());
        }
        if self.is_recent(version) {
            self.clock.sleep(LOOK_INTERVAL).await;
            require_same(version, directory).await?;
        }
        let limit = Limit::Transferred(self.max_bytes);
        if version.size > self.max_bytes {
            let name = excerpt(&version.name);
            return Err(in_file(Some(&name), storage_failure(&limit.exceeded())).into());
        }
        let mut bytes = directory.read(&version.name, limit).await?;
        require_same(version, directory).await?;
        let received = length(&mut bytes).map_err(|error| storage_failure(&error))?;
        if received != version.size {
            return Err(Failure::transient(format!(
                "the file {} was received with {received} of its {} bytes",
                excerpt(&version.name),
                version.size
            )));
        }
        Ok(bytes)
    }

    /// Finds the file; with `*` in its name, the newest that matches, or the oldest of deltas that do not stay.
    async fn find(&self, directory: &mut O::Directory) -> Result<ReadFile, Failure> {
        let shown = self.file.shown();
        if !self.file.is_pattern() && self.after.leaves() {
            let version = directory.look(self.file.name()).await?;
            let version =
                version.ok_or_else(|| Failure::permanent(format!("{shown} is not a file")))?;
            let older = Vec::new();
            return Ok(ReadFile { version, older });
        }
        let mut files = directory.list(&|name| self.file.accepts(name)).await?;
        if files.len() > 1
            && let Some(file) = files.iter().find(|file| file.modified.is_none())
        {
            return Err(Failure::permanent(format!(
                "{} files match {shown}, and their order is unknown: the server states no usable modification time of {}",
                files.len(),
                excerpt(&file.name)
            )));
        }
        files.sort_unstable_by(by_age);
        if self.after.reads_oldest() {
            files.truncate(1);
        }
        let version = files.pop();
        let version = version.ok_or_else(|| self.after.no_file(&shown))?;
        let older = if self.after.finishes_older() {
            files
        } else {
            Vec::new()
        };
        Ok(ReadFile { version, older })
    }

    /// Whether the file may still grow. The clock of a server may be wrong, or be in another time zone.
    fn is_recent(&self, version: &FileVersion) -> bool {
        if !self.directory.has_local_clock() {
            return true;
        }
        version
            .modified
            .is_none_or(|modified| self.clock.now().since(modified) < SETTLED_AGE)
    }
}

/// Checks that a file still has a version.
async fn require_same(version: &FileVersion, directory: &mut dyn Directory) -> Result<(), Failure> {
    match directory.look(&version.name).await? {
        Some(now) if now == *version => Ok(()),
        now => {
            // The next sync may read this version.
            let modified = now.and_then(|now| now.modified);
            Err(of_file(modified, not_ready(version, "still grows")).into())
        }
    }
}

/// The error of a file that the vendor has not finished.
fn not_ready(version: &FileVersion, problem: &str) -> FeedError {
    FeedError::NotReady(format!("the file {} {problem}", excerpt(&version.name)))
}

#[cfg(test)]
mod tests;
