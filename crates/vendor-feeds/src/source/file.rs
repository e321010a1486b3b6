//! Documents in a local directory: a shared directory, or one to which a vendor uploads.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError};
use domain::timestamp::Timestamp;

use super::{DocumentSource, Transferred, blocking, storage_failure};
use crate::decode::{Limit, copy_to_spool};
use crate::excerpt::excerpt;

/// Time between two looks at a file that was modified recently: it may still grow.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Age of a file from which it is not looked at twice before it is read.
const SETTLED_AGE: Duration = Duration::from_mins(1);
/// Ends of names that programs give to files that they have not finished.
const PARTIAL_SUFFIXES: [&str; 4] = [".part", ".tmp", ".filepart", ".crdownload"];

/// Reads documents of one vendor.
pub(super) struct FileSource {
    path: PathBuf,
    max_bytes: u64,
    clock: Arc<dyn Clock>,
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Version {
    fn new(path: PathBuf, metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            path,
            size: metadata.len(),
            modified: metadata.modified()?,
        })
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        excerpt(&name.to_string_lossy())
    }

    fn modified(&self) -> Option<Timestamp> {
        let nanos = match self.modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()),
            Err(before) => i128::try_from(before.duration().as_nanos()).map(|nanos| -nanos),
        };
        Timestamp::parse_unix_nanos(nanos.ok()?).ok()
    }
}

impl FileSource {
    pub(super) fn new(path: PathBuf, max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            path,
            max_bytes,
            clock,
        }
    }

    /// Whether the file may still grow.
    fn is_recent(&self, version: &Version) -> bool {
        version
            .modified()
            .is_none_or(|modified| self.clock.now().since(modified) < SETTLED_AGE)
    }
}

#[async_trait]
impl DocumentSource for FileSource {
    async fn transfer(&self, _: &mut Option<FeedError>) -> Result<Transferred, FeedError> {
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let first = blocking(move || find(&path)).await?;
        if first.size == 0 {
            return Err(not_ready(&first, "is empty"));
        }
        if self.is_recent(&first) {
            self.clock.sleep(LOOK_INTERVAL).await;
        }
        blocking(move || read(&first, max_bytes)).await
    }
}

/// Finds the file; with `*` in its name, the newest that matches.
fn find(path: &Path) -> Result<Version, FeedError> {
    let pattern = path.file_name().unwrap_or_default().to_string_lossy();
    let unreadable = |error: io::Error| unreadable(path, &error);
    if !pattern.contains('*') {
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            let shown = excerpt(&path.to_string_lossy());
            return Err(FeedError::Unavailable(format!("{shown} is not a file")));
        }
        return Version::new(path.to_owned(), &metadata).map_err(unreadable);
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut newest: Option<Version> = None;
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !matches_pattern(&name, &pattern) || is_partial(&name, &pattern) {
            continue;
        }
        // A file that was removed or moved meanwhile is not a candidate.
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            let version = Version::new(entry.path(), &metadata).map_err(unreadable)?;
            let key = |version: &Version| (version.modified, version.path.clone());
            if newest
                .as_ref()
                .is_none_or(|newest| key(newest) < key(&version))
            {
                newest = Some(version);
            }
        }
    }
    newest.ok_or_else(|| {
        let shown = excerpt(&path.to_string_lossy());
        FeedError::Unavailable(format!("no file matches {shown}"))
    })
}

/// Reads a version, if the file still has it before and after.
fn read(version: &Version, max_bytes: u64) -> Result<Transferred, FeedError> {
    let path = &version.path;
    let unreadable = |error: io::Error| unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let look = |file: &File| {
        let now = Version::new(path.clone(), &file.metadata().map_err(unreadable)?);
        if now.map_err(unreadable)? == *version {
            return Ok(());
        }
        Err(not_ready(version, "still grows"))
    };
    look(&file)?;
    let limit = Limit::Transferred(max_bytes);
    let bytes =
        copy_to_spool(&mut file, limit, |error| error).map_err(|error| storage_failure(&error))?;
    look(&file)?;
    Ok(Transferred {
        bytes,
        is_compressed: false,
        times: ResponseTimes {
            last_modified: version.modified(),
            is_last_modified_unusable: version.modified().is_none(),
            is_file_time: true,
            ..ResponseTimes::default()
        },
    })
}

fn unreadable(path: &Path, error: &io::Error) -> FeedError {
    let shown = excerpt(&path.to_string_lossy());
    FeedError::Unavailable(format!("cannot read {shown}: {error}"))
}

fn not_ready(version: &Version, problem: &str) -> FeedError {
    FeedError::Unavailable(format!(
        "the report is not ready: the file {} {problem}",
        version.name()
    ))
}

/// Whether a name matches a pattern in which `*` is any text.
fn matches_pattern(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a name is that of a hidden or an unfinished file.
fn is_partial(name: &str, pattern: &str) -> bool {
    let lower = name.to_lowercase();
    let is_hidden = name.starts_with('.') && !pattern.starts_with('.');
    is_hidden
        || PARTIAL_SUFFIXES
            .iter()
            .any(|suffix| lower.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_any_text() {
        for (pattern, names) in [
            (
                "stock_*.csv",
                &["stock_.csv", "stock_2026.csv", "stock_a.csv.csv"][..],
            ),
            ("*", &["a", "stock.csv"]),
            ("a*b*c", &["abc", "aXbYc", "abbc"]),
            ("plain.csv", &["plain.csv"]),
            ("[a]?*", &["[a]?x"]),
        ] {
            for name in names {
                assert!(matches_pattern(name, pattern), "{pattern} {name}");
            }
        }
        for (pattern, names) in [
            (
                "stock_*.csv",
                &["stock.csv", "Stock_1.csv", "stock_1.csv.gz", "xstock_1.csv"][..],
            ),
            ("a*b*c", &["ac", "acb", "ab"]),
            ("ab*ba", &["aba"]),
            ("plain.csv", &["plain.csv2", "plain"]),
        ] {
            for name in names {
                assert!(!matches_pattern(name, pattern), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn hidden_and_unfinished_files_are_recognized() {
        for name in [
            ".stock.csv",
            "stock.csv.part",
            "STOCK.CSV.TMP",
            "a.filepart",
            "a.crdownload",
        ] {
            assert!(is_partial(name, "*"), "{name}");
        }
        for name in ["stock.csv", "part", "a.partial", "tmp.csv"] {
            assert!(!is_partial(name, "*"), "{name}");
        }
        assert!(!is_partial(".stock.csv", ".stock*"));
    }
}
