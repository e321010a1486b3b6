//! The files of one server, in memory.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::Bytes;
use jiff::Timestamp;

use crate::script::fault::Fault;
use crate::script::files::Folder;

/// Maximum number of files; the oldest is removed.
const MAX_FILES: usize = 20;

/// A directory with files, and the directories above it.
#[derive(Debug)]
pub(in crate::script) struct Shelf {
    /// The components of the path of the directory.
    directory: Vec<String>,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    files: BTreeMap<String, Stored>,
    /// The fault of the step of the newest file.
    fault: Option<Fault>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: Bytes,
    /// In whole seconds, as servers state it.
    pub(super) modified: Timestamp,
}

impl Stored {
    fn now(bytes: Bytes) -> Self {
        let now = Timestamp::now();
        Self {
            bytes,
            modified: Timestamp::from_second(now.as_second()).unwrap_or(now),
        }
    }
}

/// The file or directory at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(Stored),
    Directory(Vec<Entry>),
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// `None` for a directory.
    pub(super) file: Option<Stored>,
}

impl Shelf {
    pub(in crate::script) fn new(directory: &str) -> Self {
        Self {
            directory: components("", directory),
            content: Mutex::default(),
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds what is at an absolute path.
    pub(super) fn find(&self, path: &str) -> Option<Node> {
        let path = components("", path);
        let content = self.content();
        if let Some(rest) = path.strip_prefix(self.directory.as_slice()) {
            return match rest {
                [] => {
                    let entry = |(name, file): (&String, &Stored)| Entry {
                        name: name.clone(),
                        file: Some(file.clone()),
                    };
                    Some(Node::Directory(content.files.iter().map(entry).collect()))
                }
                [name] => content.files.get(name).cloned().map(Node::File),
                _ => None,
            };
        }
        let below = self.directory.strip_prefix(path.as_slice())?;
        let entry = below.first().map(|name| Entry {
            name: name.clone(),
            file: None,
        });
        Some(Node::Directory(entry.into_iter().collect()))
    }

    /// All files by their path, without a leading slash.
    #[cfg(feature = "bucket")]
    pub(super) fn files(&self) -> Vec<(String, Stored)> {
        let directory = self.directory.join("/");
        let content = self.content();
        let files = content.files.iter();
        files
            .map(|(name, file)| (format!("{directory}/{name}"), file.clone()))
            .collect()
    }

    /// Whether every login is refused now.
    pub(super) fn refuses_logins(&self) -> bool {
        matches!(self.content().fault, Some(Fault::RefuseLogin {}))
    }

    /// The transfer of a file that begins now.
    pub(super) fn transfer(&self, file: &Stored) -> Transfer {
        let fault = self.content().fault.clone();
        let half = match fault {
            Some(Fault::Cut {} | Fault::Stall {}) => file.bytes.len() / 2,
            _ => file.bytes.len(),
        };
        Transfer {
            sent: file.bytes.slice(..half),
            fault,
        }
    }
}

impl Folder for Arc<Shelf> {
    fn begin(&self, fault: Option<&Fault>) {
        self.content().fault = fault.cloned();
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content();
        let file = Stored::now(Bytes::copy_from_slice(bytes));
        content.files.insert(name.to_owned(), file);
        while content.files.len() > MAX_FILES {
            let oldest = content.files.iter().min_by_key(|(_, file)| file.modified);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            content.files.remove(&oldest);
        }
        Ok(())
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.write(name, &[])
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let before = self.content().files.get(name).cloned();
        let before = before.map(|file| file.bytes).unwrap_or_default();
        self.write(name, &[&before, bytes].concat())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut content = self.content();
        let file = content.files.remove(from);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        content.files.insert(to.to_owned(), file);
        Ok(())
    }
}

/// The components of a path that may be relative to `current`.
pub(super) fn components(current: &str, path: &str) -> Vec<String> {
    let start = if path.starts_with('/') { "" } else { current };
    let mut found = Vec::new();
    for component in start.split('/').chain(path.split('/')) {
        match component {
            "" | "." => {}
            ".." => {
                found.pop();
            }
            name => found.push(name.to_owned()),
        }
    }
    found
}

/// How the bytes of a file are transferred.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    /// The bytes that are sent: all, or the first half.
    pub(super) sent: Bytes,
    fault: Option<Fault>,
}

/// How a transfer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// The connection ends.
    Cut,
}

impl Transfer {
    /// Waits until the first byte may be sent.
    pub(super) async fn begin(&self) {
        match self.fault {
            Some(Fault::Hang {}) => pending().await,
            Some(Fault::Delay { ms }) => tokio::time::sleep(Duration::from_millis(ms)).await,
            _ => {}
        }
    }

    /// Waits until the next piece may be sent, and returns it. At most `limit` bytes from `offset` on are sent, and none
    /// behind the end.
    pub(super) async fn piece(&self, offset: usize, limit: usize) -> Bytes {
        let left = self.sent.len().saturating_sub(offset);
        let mut length = left.min(limit);
        if let Some(Fault::Slow { bytes, ms }) = self.fault
            && left > 0
        {
            length = length.min(bytes);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let start = offset.min(self.sent.len());
        self.sent.slice(start..start + length)
    }

    /// Ends the transfer after the last byte that is sent.
    pub(super) async fn end(&self) -> End {
        match self.fault {
            Some(Fault::Stall {}) => pending().await,
            Some(Fault::Cut {}) => End::Cut,
            _ => End::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> Arc<Shelf> {
        let folder = Arc::new(Shelf::new("/out/daily"));
        folder.write("a.csv", b"12").unwrap();
        folder
    }

    fn names(folder: &Shelf, path: &str) -> Vec<String> {
        match folder.find(path) {
            Some(Node::Directory(entries)) => {
                let name = |entry: Entry| match entry.file {
                    None => format!("{}/", entry.name),
                    Some(file) => format!("{} {}", entry.name, file.bytes.len()),
                };
                entries.into_iter().map(name).collect()
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_lead_to_the_directories_above_and_to_the_files() {
        let folder = folder();
        for (path, expected) in [
            ("/", "out/"),
            ("", "out/"),
            ("/out", "daily/"),
            ("/out/daily", "a.csv 2"),
            ("/out/./daily/../daily/", "a.csv 2"),
        ] {
            assert_eq!(names(&folder, path), [expected], "{path}");
        }
        assert!(matches!(
            folder.find("/out/daily/a.csv"),
            Some(Node::File(_))
        ));
        for missing in [
            "/in",
            "/out/weekly",
            "/out/daily/b.csv",
            "/out/daily/a.csv/x",
        ] {
            assert_eq!(folder.find(missing), None, "{missing}");
        }
    }

    #[test]
    fn file_grows_is_renamed_and_the_oldest_is_removed() {
        let folder = folder();
        folder.append("a.csv", b"345").unwrap();
        folder.create("b.csv.part").unwrap();
        folder.append("b.csv.part", b"6").unwrap();
        folder.rename("b.csv.part", "b.csv").unwrap();
        assert_eq!(names(&folder, "/out/daily"), ["a.csv 5", "b.csv 1"]);
        assert!(folder.rename("c", "d").is_err());
        for number in 0..MAX_FILES {
            folder.write(&format!("c{number}"), b"").unwrap();
        }
        let left = names(&folder, "/out/daily");
        assert_eq!(left.len(), MAX_FILES);
        assert!(!left.contains(&"a.csv 5".to_owned()), "{left:?}");
    }

    #[tokio::test]
    async fn spoiled_transfer_sends_half() {
        let folder = folder();
        let Some(Node::File(file)) = folder.find("/out/daily/a.csv") else {
            panic!("the file is missing");
        };
        for (fault, sent, end) in [
            (None, "12", End::Whole),
            (Some(Fault::Cut {}), "1", End::Cut),
            (Some(Fault::Slow { bytes: 1, ms: 1 }), "12", End::Whole),
        ] {
            folder.begin(fault.as_ref());
            let transfer = folder.transfer(&file);
            transfer.begin().await;
            let mut received = Vec::new();
            loop {
                let piece = transfer.piece(received.len(), 100).await;
                if piece.is_empty() {
                    break;
                }
                received.extend_from_slice(&piece);
            }
            assert_eq!(received, sent.as_bytes(), "{fault:?}");
            assert_eq!(transfer.end().await, end, "{fault:?}");
        }
    }
}
