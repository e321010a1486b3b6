//! Publishing.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{OrderQueue, QueueError, QueuedOrder};

use super::folders::{Folders, numbers, unavailable, write, write_ids};

/// As many orders as one transaction settles with ease.
const ORDERS_A_MESSAGE: usize = 100;

/// The one publisher of a directory.
pub(crate) struct DirectoryQueue {
    folders: Folders,
    /// The number of the last message: numbers are the order of messages.
    last: Mutex<u64>,
}

impl DirectoryQueue {
    /// Goes on after the highest number that is there.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folders = Folders::open(root)?;
        let mut last = 0;
        for folder in [folders.waiting(), folders.dead()] {
            last = numbers(&folder)?.pop().unwrap_or(0).max(last);
        }
        for consumer in fs::read_dir(folders.delivered())? {
            last = numbers(&consumer?.path())?.pop().unwrap_or(0).max(last);
        }
        Ok(Self {
            folders,
            last: Mutex::new(last),
        })
    }

    fn write(&self, folder: &Path, text: &str) -> Result<(), QueueError> {
        // Held while writing, so that messages appear in the order of their numbers.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        write(folder, *last, text).map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl OrderQueue for DirectoryQueue {
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        let mut taken = Vec::with_capacity(orders.len());
        for packed in orders.chunks(ORDERS_A_MESSAGE) {
            let ids: Vec<OrderId> = packed.iter().map(|order| order.order_id).collect();
            match self.write(&self.folders.waiting(), &write_ids(&ids)) {
                Ok(()) => taken.extend(ids),
                Err(error) if taken.is_empty() => return Err(error),
                // What is on the disk is taken; the caller publishes the others again.
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        let waiting = numbers(&self.folders.waiting()).map_err(|error| unavailable(&error))?;
        Ok(waiting.len() as u64)
    }

    async fn dead_letter(&self, order_ids: &[OrderId], reason: &str) -> Result<(), QueueError> {
        let text = format!("{}# {}\n", write_ids(order_ids), reason.escape_debug());
        self.write(&self.folders.dead(), &text)
    }

    async fn probe(&self) -> Result<(), QueueError> {
        fs::metadata(self.folders.waiting())
            .map(drop)
            .map_err(|error| unavailable(&error))
    }
}
