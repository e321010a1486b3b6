//! The tasks that write what the batcher takes.

use std::panic::AssertUnwindSafe;

use domain::services::BatchWriter;
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tracing::error;

use crate::app::panic_message;

/// Runs so many writers on the runtime of the caller. Each ends when the last handle of its batcher is gone; until then one
/// that panics is put back to work, so that an order that makes it panic fails nobody but those beside it.
#[must_use]
pub fn spawn_writers(writer: &BatchWriter, number: usize) -> JoinSet<()> {
    (0..number).map(|_| write_on(writer.clone())).collect()
}

async fn write_on(writer: BatchWriter) {
    while let Err(panic) = AssertUnwindSafe(writer.clone().run()).catch_unwind().await {
        error!(
            panic = panic_message(panic.as_ref()),
            "the writer of new orders panicked; those it was writing are answered with 503"
        );
    }
}
