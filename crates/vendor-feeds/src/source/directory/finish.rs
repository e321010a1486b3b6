//! The treatment of files whose report was applied: they stay, are deleted or are moved.
//!
//! The report's end is recorded before, so a process that ends in between reads the same file again, which changes nothing. Only
//! the version that was read is deleted or moved. After a full report, so are the older files that were found with it, which would
//! be outdated: the oldest first, so that the newest is the last one that is left.

use std::cmp::Ordering;

use domain::ports::{FeedError, FileVersion, ReadFile};

use super::{Directory as _, DirectorySource, Failure, OpenDirectory};
use crate::excerpt::excerpt;
use crate::options::AfterRead;

/// The treatment of files whose report was applied.
#[derive(Debug, Clone)]
pub(in crate::source) struct After {
    pub(in crate::source) action: AfterRead,
    /// Whether a report states all of the vendor's stock, so that older files are of no use.
    pub(in crate::source) is_full: bool,
}

impl After {
    pub(super) fn leaves(&self) -> bool {
        self.action == AfterRead::Leave
    }

    /// The failure if no file matches: none is expected after the last one was deleted or moved.
    pub(super) fn no_file(&self, shown: &str) -> Failure {
        let problem = format!("no file matches {shown}");
        match self.action {
            AfterRead::Leave => Failure::permanent(problem),
            AfterRead::Delete | AfterRead::Move(_) => FeedError::NotReady(problem).into(),
        }
    }

    /// Whether the older files are deleted or moved with one that was read: the report replaces theirs.
    pub(super) fn finishes_older(&self) -> bool {
        !self.leaves() && self.is_full
    }

    /// Whether files are read in the order in which they were written: each delta counts, and one that is read later would
    /// replace the counts of a newer one.
    pub(super) fn reads_oldest(&self) -> bool {
        !self.leaves() && !self.is_full
    }
}

/// Compares files by their age, the oldest first.
pub(super) fn by_age(a: &FileVersion, b: &FileVersion) -> Ordering {
    (a.modified, &a.name).cmp(&(b.modified, &b.name))
}

impl<O: OpenDirectory> DirectorySource<O> {
    /// Deletes or moves the file of a report that was applied, if it is still the version that was read.
    pub(super) async fn finish_files(&self, read: &ReadFile) -> Result<(), FeedError> {
        if self.after.leaves() {
            return Ok(());
        }
        let finished = self.try_finish(read).await;
        finished
            .map_err(|failure| FeedError::Unavailable(format!("{} (source.after)", failure.error)))
    }

    async fn try_finish(&self, read: &ReadFile) -> Result<(), Failure> {
        let mut directory = self.directory.open().await?;
        let mut files = directory.list(&|name| self.file.accepts(name)).await?;
        // Files that were written since the report was read are not among the older ones.
        let is_older = |file: &FileVersion| {
            let at = read.older.binary_search_by(|older| by_age(older, file));
            at.is_ok_and(|at| read.older[at] == *file)
        };
        // Without a time, another version of the same size is not distinguished.
        let is_dated = |file: &FileVersion| file.modified.is_some();
        files.retain(|file| is_dated(file) && (*file == read.version || is_older(file)));
        files.sort_by(by_age);
        for file in &files {
            match &self.after.action {
                AfterRead::Leave => {}
                AfterRead::Delete => directory.remove(&file.name).await?,
                AfterRead::Move(target) => move_file(&mut directory, file, target).await?,
            }
        }
        Ok(())
    }
}

/// Moves a file under its own name, or with its modification time before it if there is such a file.
async fn move_file(
    directory: &mut impl super::Directory,
    file: &FileVersion,
    target: &str,
) -> Result<(), Failure> {
    let dated = file.modified.map(|modified| {
        let digits = modified.to_string().replace(['-', ':'], "");
        let seconds = digits.split('.').next().unwrap_or_default();
        format!("{seconds}Z-{}", file.name)
    });
    for name in [Some(file.name.clone()), dated].into_iter().flatten() {
        if directory.rename(&file.name, target, &name).await? {
            return Ok(());
        }
    }
    let (name, target) = (excerpt(&file.name), excerpt(target));
    Err(Failure::permanent(format!(
        "cannot move {name} to {target}: the name exists there, also with the time of the file before it"
    )))
}
