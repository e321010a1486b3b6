//! The directories of the queue, and the format of its files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::identifiers::OrderId;
use domain::ports::QueueError;

/// The directories: `waiting`, `dead`, and one for each consumer below `delivered`.
#[derive(Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folders = Self {
            root: root.to_owned(),
        };
        for folder in [folders.waiting(), folders.dead(), folders.delivered()] {
            fs::create_dir_all(folder)?;
        }
        Ok(folders)
    }

    pub(crate) fn waiting(&self) -> PathBuf {
        self.root.join("waiting")
    }

    pub(crate) fn dead(&self) -> PathBuf {
        self.root.join("dead")
    }

    pub(crate) fn delivered(&self) -> PathBuf {
        self.root.join("delivered")
    }
}

/// Maps a file-system error to a transient one: a full disk may be freed, and a directory mounted again.
pub(crate) fn unavailable(error: &io::Error) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// Returns the numbers of the messages in a directory, in order. Files that are still being defined have other names.
pub(crate) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(parse_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn file_name(number: u64) -> String {
    format!("{number:020}")
}

fn parse_number(name: &str) -> Option<u64> {
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// Writes and syncs a message, and then renames it to the name that consumers read.
pub(crate) fn write(folder: &Path, number: u64, text: &str) -> io::Result<()> {
    let name = file_name(number);
    let half_written = folder.join(format!("{name}.new"));
    let mut file = File::create(&half_written)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(half_written, folder.join(name))
}

/// Returns the order ids of a message, or `None` if the text is not a message.
pub(crate) fn read_ids(text: &str) -> Option<Vec<OrderId>> {
    let ids: Option<Vec<OrderId>> = text
        .lines()
        .map(|line| line.parse().ok().map(OrderId))
        .collect();
    ids.filter(|ids| !ids.is_empty())
}

pub(crate) fn write_ids(ids: &[OrderId]) -> String {
    let lines: Vec<String> = ids.iter().map(OrderId::to_string).collect();
    lines.join("\n") + "\n"
}
