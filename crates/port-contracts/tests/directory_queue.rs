//! Runs the queue contracts over the example of `docs/contribute/adapters.md`: a queue in a directory.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

#[path = "example/mod.rs"]
mod example;

use std::future::{Ready, ready};
use std::sync::Arc;

use domain::ports::OrderConsumer;
use example::{DirectoryConsumer, DirectoryQueue};
use port_contracts::QueueUnderTest;
use tempfile::TempDir;

fn setup() -> Ready<(QueueUnderTest, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let queue = DirectoryQueue::open(folder.path()).unwrap();
    let root = folder.path().to_owned();
    let under_test = QueueUnderTest {
        queue: Arc::new(queue),
        make_consumer: Box::new(move || {
            let consumer = DirectoryConsumer::open(&root).unwrap();
            Box::pin(ready(Box::new(consumer) as Box<dyn OrderConsumer>))
        }),
    };
    ready((under_test, folder))
}

port_contracts::queue_contracts!(setup);
