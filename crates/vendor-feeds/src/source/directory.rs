//! The newest file of a directory that matches a pattern: the part that local directories, SFTP, FTPS and buckets share.
//!
//! A file is read if it is complete: it is not empty, its name is not that of an unfinished file, and it is the same version
//! before and after the transfer. A file that was modified recently is looked at once more, a second later, before it is read.

mod pattern;

use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use domain::evidence::ResponseTimes;
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError};
use domain::timestamp::Timestamp;
use tracing::debug;

use super::{DocumentSource, Transferred, storage_failure};
use crate::decode::{Limit, Spool};
use crate::excerpt::excerpt;

pub(super) use self::pattern::FilePattern;

/// Time between two looks at a file that was modified recently: it may still grow.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Age of a file from which it is not looked at twice before it is read.
const SETTLED_AGE: Duration = Duration::from_mins(1);
/// Pause before the first retry; it doubles with each retry, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
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

/// Formats the message of a library or a server on one line.
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
pub(super) fn reason(error: impl std::fmt::Display) -> String {
    log_text::excerpt(error.to_string().trim_end(), MAX_REASON_CHARS)
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// The name of the file in its directory.
    pub(super) name: String,
    /// The size in bytes.
    pub(super) size: u64,
    /// The modification time; `None` if the server does not state a usable one.
    pub(super) modified: Option<Timestamp>,
}

/// Whether a file with a name is wanted.
pub(super) type NameFilter<'f> = dyn for<'n> Fn(&'n str) -> bool + Sync + 'f;

/// One directory of a server, over one connection.
#[async_trait]
pub(super) trait Directory: Send {
    /// Returns the files whose names are accepted by `is_wanted`. MUST return the version of the target for a link. MUST leave
    /// out directories, and files that were removed meanwhile.
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<Version>, Failure>;

    /// Returns the current version of a file, by the same clock as [`list`](Self::list). MUST return `None` if the name is
    /// that of something else, such as a directory.
    async fn look(&mut self, name: &str) -> Result<Option<Version>, Failure>;

    /// Transfers a file. MUST NOT transfer more than `limit`.
    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure>;
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
    pub(super) max_bytes: u64,
    pub(super) retries: u32,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl<O: OpenDirectory> DocumentSource for DirectorySource<O> {
    async fn transfer(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Transferred, FeedError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(usize::try_from(self.retries).unwrap_or(usize::MAX))
            .with_jitter();
        (|| self.attempt())
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.is_transient)
            .notify(|failure, pause| {
                let error = &failure.error;
                debug!(vendor.id = %self.vendor_id, %error, pause_ms = pause.as_millis(), "reading the vendor's file failed; retrying");
                *last_failure = Some(error.clone());
            })
            .await
            .map_err(|failure| failure.error)
    }
}

impl<O: OpenDirectory> DirectorySource<O> {
    async fn attempt(&self) -> Result<Transferred, Failure> {
        let mut directory = self.directory.open().await?;
        let version = self.find(&mut directory).await?;
        if version.size == 0 {
            return Err(not_ready(&version, "is empty").into());
        }
        if self.is_recent(&version) {
            self.clock.sleep(LOOK_INTERVAL).await;
            require_same(&version, &mut directory).await?;
        }
        let limit = Limit::Transferred(self.max_bytes);
        if version.size > self.max_bytes {
            return Err(storage_failure(&limit.exceeded()).into());
        }
        let mut bytes = directory.read(&version.name, limit).await?;
        require_same(&version, &mut directory).await?;
        let received = bytes.seek(SeekFrom::End(0)).and_then(|received| {
            bytes.rewind()?;
            Ok(received)
        });
        let received = received.map_err(|error| storage_failure(&error))?;
        if received != version.size {
            return Err(Failure::transient(format!(
                "the file {} was received with {received} of its {} bytes",
                excerpt(&version.name),
                version.size
            )));
        }
        Ok(Transferred {
            bytes,
            file: Some(excerpt(&version.name)),
            is_compressed: false,
            times: ResponseTimes {
                last_modified: version.modified,
                is_last_modified_unusable: version.modified.is_none(),
                is_file_time: true,
                ..ResponseTimes::default()
            },
        })
    }

    /// Finds the file; with `*` in its name, the newest that matches.
    async fn find(&self, directory: &mut O::Directory) -> Result<Version, Failure> {
        let shown = self.file.shown();
        let Some(pattern) = self.file.pattern() else {
            let version = directory.look(self.file.name()).await?;
            return version.ok_or_else(|| Failure::permanent(format!("{shown} is not a file")));
        };
        let files = directory.list(&|name| pattern.accepts(name)).await?;
        if files.len() > 1
            && let Some(file) = files.iter().find(|file| file.modified.is_none())
        {
            return Err(Failure::permanent(format!(
                "{} files match {shown}, and the newest is unknown: the server states no usable modification time of {}",
                files.len(),
                excerpt(&file.name)
            )));
        }
        let newest = files
            .into_iter()
            .max_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        newest.ok_or_else(|| Failure::permanent(format!("no file matches {shown}")))
    }

    /// Whether the file may still grow. The clock of a server may be wrong, or be in another time zone.
    fn is_recent(&self, version: &Version) -> bool {
        if !self.directory.has_local_clock() {
            return true;
        }
        version
            .modified
            .is_none_or(|modified| self.clock.now().since(modified) < SETTLED_AGE)
    }
}

/// Checks that a file still has a version.
async fn require_same(version: &Version, directory: &mut dyn Directory) -> Result<(), Failure> {
    match directory.look(&version.name).await? {
        Some(now) if now == *version => Ok(()),
        _ => Err(not_ready(version, "still grows").into()),
    }
}

/// The error of a file that the vendor has not finished.
fn not_ready(version: &Version, problem: &str) -> FeedError {
    FeedError::NotReady(format!("the file {} {problem}", excerpt(&version.name)))
}

#[cfg(test)]
mod tests;
