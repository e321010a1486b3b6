//! Where the files are, and what stands in them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::identifiers::OrderId;
use domain::ports::QueueError;

/// Messages lie in `waiting`, with a consumer in a folder below `delivered`, or `dead`.
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

/// A failure of the file system may pass: the disk may have room again, the folder may be mounted again.
pub(crate) fn unavailable(error: &io::Error) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// The numbers of the files in a folder, in order. Files that are just being written have other names.
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

/// Writes a message durably, and only then gives it the name by which consumers know it.
pub(crate) fn write(folder: &Path, number: u64, text: &str) -> io::Result<()> {
    let name = file_name(number);
    let half_written = folder.join(format!("{name}.new"));
    let mut file = File::create(&half_written)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(half_written, folder.join(name))
}

/// The orders of a message; nothing if it is not one.
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
