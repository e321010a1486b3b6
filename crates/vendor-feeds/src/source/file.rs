//! Documents in a local directory: a shared directory, or one to which a vendor uploads.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use domain::ports::{FeedError, FileVersion};
use domain::timestamp::Timestamp;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, renameat, renameat_with, statat};
use rustix::io::Errno;

use super::directory::{Directory, Failure, FilePattern, NameFilter, OpenDirectory, check_entries};
use super::{blocking, storage_failure};
use crate::decode::{Limit, Spool, copy_to_spool};
use crate::excerpt::excerpt;

/// The path of a directory.
#[derive(Debug, Clone)]
pub(super) struct LocalDirectory(PathBuf);

/// Splits the path of a file into its directory and its name.
pub(super) fn split(path: &Path) -> (LocalDirectory, FilePattern) {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = FilePattern::new(path.to_string_lossy(), name);
    (LocalDirectory(directory.to_owned()), file)
}

#[async_trait]
impl OpenDirectory for LocalDirectory {
    type Directory = OpenedDirectory;

    async fn open(&self) -> Result<OpenedDirectory, Failure> {
        Ok(OpenedDirectory {
            path: self.0.clone(),
            listed: HashMap::new(),
        })
    }

    fn has_local_clock(&self) -> bool {
        true
    }
}

/// A directory, with the paths of the listed files: a name need not be valid UTF-8.
pub(super) struct OpenedDirectory {
    path: PathBuf,
    listed: HashMap<String, PathBuf>,
}

impl OpenedDirectory {
    fn path_of(&self, name: &str) -> PathBuf {
        let listed = self.listed.get(name).cloned();
        listed.unwrap_or_else(|| self.path.join(name))
    }
}

#[async_trait]
impl Directory for OpenedDirectory {
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        let path = self.path.clone();
        let paths = blocking(move || names(&path)).await?;
        let wanted = paths.into_iter().filter(|(name, _)| is_wanted(name));
        self.listed = wanted.collect();
        let listed = self.listed.clone();
        let versions = blocking(move || {
            // A file that was removed or moved meanwhile is not a candidate.
            let looks = listed
                .into_iter()
                .filter_map(|(name, path)| Some(version(name, &fs::metadata(path).ok()?)));
            Ok(looks.flatten().collect())
        });
        Ok(versions.await?)
    }

    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let path = self.path_of(name);
        let name = name.to_owned();
        let look = blocking(move || {
            let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
            Ok(version(name, &metadata))
        });
        Ok(look.await?)
    }

    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure> {
        let path = self.path_of(name);
        let read = blocking(move || {
            let mut file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
            copy_to_spool(&mut file, limit, |error| error).map_err(|error| storage_failure(&error))
        });
        Ok(read.await?)
    }

    async fn remove(&mut self, name: &str) -> Result<(), Failure> {
        let path = self.path_of(name);
        let remove = blocking(move || {
            let removed = fs::remove_file(&path);
            removed.map_err(|error| {
                let shown = excerpt(&path.to_string_lossy());
                FeedError::Unavailable(format!("cannot delete {shown}: {error}"))
            })
        });
        Ok(remove.await?)
    }

    async fn rename(
        &mut self,
        name: &str,
        directory: &str,
        new_name: &str,
    ) -> Result<bool, Failure> {
        let (from, to) = (self.path_of(name), self.path.join(directory));
        let new_name = new_name.to_owned();
        let rename = blocking(move || {
            move_to(&from, &to, &new_name).map_err(|error| {
                let [from, to] = [&from, &to].map(|path| excerpt(&path.to_string_lossy()));
                FeedError::Unavailable(format!("cannot move {from} to {to}: {error}"))
            })
        });
        Ok(rename.await?)
    }
}

/// Moves a file into a directory that is not a link, which a vendor may have put there. Returns whether the name was free.
fn move_to(from: &Path, to: &Path, name: &str) -> rustix::io::Result<bool> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(to, flags, Mode::empty())?;
    match renameat_with(CWD, from, &directory, name, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // The file system has no such operation.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Ok(false),
                Err(Errno::NOENT) => renameat(CWD, from, &directory, name).map(|()| true),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// The names in a directory, and their paths.
fn names(directory: &Path) -> Result<Vec<(String, PathBuf)>, FeedError> {
    let unreadable = |error: io::Error| unreadable(directory, &error);
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push((name, entry.path()));
        check_entries(&directory.to_string_lossy(), names.len())?;
    }
    Ok(names)
}

/// The version of a file; `None` if it is a directory or another object.
fn version(name: String, metadata: &Metadata) -> Option<FileVersion> {
    metadata.is_file().then(|| FileVersion {
        name,
        size: metadata.len(),
        modified: metadata.modified().ok().and_then(timestamp),
    })
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let nanos = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()),
        Err(before) => i128::try_from(before.duration().as_nanos()).map(|nanos| -nanos),
    };
    Timestamp::parse_unix_nanos(nanos.ok()?).ok()
}

fn unreadable(path: &Path, error: &io::Error) -> FeedError {
    let shown = excerpt(&path.to_string_lossy());
    FeedError::Unavailable(format!("cannot read {shown}: {error}"))
}
