//! The tasks that write the orders of the batcher.

use std::panic::AssertUnwindSafe;

use domain::services::BatchWriter;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::error;

use crate::panic::panic_message;

/// Spawns a number of writers on `runtime`, or on the current one. A writer ends when the last handle of its batcher is dropped.
/// A writer that panics is restarted, so that an order that causes a panic fails only the orders of its batch.
pub(crate) fn spawn_writers(
    writer: &BatchWriter,
    number: usize,
    runtime: Option<&Handle>,
) -> JoinSet<()> {
    let current = Handle::current();
    let mut writers = JoinSet::new();
    for _ in 0..number {
        writers.spawn_on(run_writer(writer.clone()), runtime.unwrap_or(&current));
    }
    writers
}

async fn run_writer(writer: BatchWriter) {
    while let Err(panic) = AssertUnwindSafe(writer.clone().run()).catch_unwind().await {
        error!(
            panic = panic_message(panic.as_ref()),
            "batch writer panicked; restarting, the requests of the batch get 503"
        );
    }
}
