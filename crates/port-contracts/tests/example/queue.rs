//! The publisher.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError, QueuedOrder};

use super::folders::{Folders, file_name, numbers, unavailable, write, write_orders};

/// Largest number of orders in a message, which one transaction settles easily.
const ORDERS_A_MESSAGE: usize = 100;

/// The one publisher of a directory.
pub(crate) struct DirectoryQueue {
    folders: Folders,
    /// Number of the last message. Messages are delivered in the order of their numbers.
    last: Mutex<u64>,
}

impl DirectoryQueue {
    /// Continues after the highest existing number.
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
        // Held during the write, so that messages appear in the order of their numbers.
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
            match self.write(&self.folders.waiting(), &write_orders(packed)) {
                Ok(()) => taken.extend(packed.iter().map(|order| order.order_id)),
                Err(error) if taken.is_empty() => return Err(error),
                // Orders on the disk are confirmed; the caller publishes the others again.
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        let count = |folder| numbers(folder).map(|found| found.len() as u64);
        let backlog = Backlog {
            waiting: count(&self.folders.waiting()).map_err(|error| unavailable(&error))?,
            surplus: 0,
            dead: count(&self.folders.dead()).map_err(|error| unavailable(&error))?,
        };
        Ok(backlog)
    }

    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError> {
        let dead = numbers(&self.folders.dead()).map_err(|error| unavailable(&error))?;
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let mut removed = 0;
        for number in dead.iter().take(dead.len().saturating_sub(keep)) {
            let path = self.folders.dead().join(file_name(*number));
            fs::remove_file(path).map_err(|error| unavailable(&error))?;
            removed += 1;
        }
        Ok(removed)
    }

    async fn probe(&self) -> Result<(), QueueError> {
        fs::metadata(self.folders.waiting())
            .map(drop)
            .map_err(|error| unavailable(&error))
    }
}
