//! The consumer.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{ConsumerProbe, OrderConsumer, QueueError, QueuedMessage, Receipt, Share};
use tokio::time::sleep;

use super::folders::{Folders, file_name, numbers, read_orders, unavailable};

/// Interval for polling an empty queue.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// A consumer with its own directory of unacknowledged messages, which are moved back when it is dropped.
pub(crate) struct DirectoryConsumer {
    folders: Folders,
    /// Distinguishes this consumer's receipts from those of other consumers.
    session: u64,
    own: PathBuf,
    unacknowledged: BTreeSet<u64>,
}

impl DirectoryConsumer {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folders = Folders::open(root)?;
        let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let own = folders
            .delivered()
            .join(format!("{}-{session}", std::process::id()));
        fs::create_dir(&own)?;
        Ok(Self {
            folders,
            session,
            own,
            unacknowledged: BTreeSet::new(),
        })
    }

    /// Takes the available messages. The method does not await, so a cancelled call loses no message.
    fn take(&mut self, limit: usize) -> io::Result<Vec<QueuedMessage>> {
        let mut taken = Vec::new();
        let mut orders = 0;
        for number in numbers(&self.folders.waiting())? {
            let waiting = self.folders.waiting().join(file_name(number));
            let text = match fs::read_to_string(&waiting) {
                // Another consumer took the message.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text?,
            };
            let Some(read) = read_orders(&text) else {
                // An unreadable message affects no other message.
                move_file(&waiting, &self.folders.dead().join(file_name(number)))?;
                continue;
            };
            orders += read.len();
            if !taken.is_empty() && orders > limit {
                break;
            }
            if move_file(&waiting, &self.own.join(file_name(number)))? {
                self.unacknowledged.insert(number);
                let receipt = Receipt {
                    session: self.session,
                    tag: number,
                };
                taken.push(QueuedMessage {
                    receipt,
                    order_ids: read.iter().map(|(id, _)| *id).collect(),
                    traces: read
                        .iter()
                        .filter_map(|(id, it)| Some((*id, (*it)?)))
                        .collect(),
                });
            } else {
                orders -= read.len();
            }
        }
        Ok(taken)
    }
}

/// Moves a file and returns whether it existed: of concurrent moves of one file, the file system lets one succeed.
fn move_file(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        moved => moved.map(|()| true),
    }
}

#[async_trait]
impl OrderConsumer for DirectoryConsumer {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        loop {
            let taken = self.take(limit).map_err(|error| unavailable(&error))?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError> {
        for receipt in receipts {
            if receipt.session == self.session && self.unacknowledged.contains(&receipt.tag) {
                fs::remove_file(self.own.join(file_name(receipt.tag)))
                    .map_err(|error| unavailable(&error))?;
                self.unacknowledged.remove(&receipt.tag);
            }
        }
        Ok(())
    }

    fn watch(&self) -> Arc<dyn ConsumerProbe> {
        Arc::new(FolderProbe(self.folders.waiting()))
    }
}

impl Drop for DirectoryConsumer {
    fn drop(&mut self) {
        for number in &self.unacknowledged {
            let waiting = self.folders.waiting().join(file_name(*number));
            // A message that cannot be moved back stays in the directory of the dropped consumer, for an operator to find.
            let _ = move_file(&self.own.join(file_name(*number)), &waiting);
        }
        let _ = fs::remove_dir(&self.own);
    }
}

/// A consumer works while the directory of waiting messages exists.
struct FolderProbe(PathBuf);

impl ConsumerProbe for FolderProbe {
    fn probe(&self) -> Result<(), QueueError> {
        fs::metadata(&self.0)
            .map(drop)
            .map_err(|error| unavailable(&error))
    }

    fn member(&self) -> Option<String> {
        None
    }

    fn assign(&self, _member: &str, _share: Share) {}
}
