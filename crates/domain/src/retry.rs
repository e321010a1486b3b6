//! The one place where use cases are retried after a conflict with another transaction.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tracing::debug;

use crate::ports::{Clock, StoreError};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(200);
const MAX_RETRIES: usize = 8;

/// Runs a whole use case, from begin to commit, and again if the store reports a conflict: up to 8 more times, with growing,
/// jittered delays of 5 to 200 ms.
pub(crate) async fn on_conflict<T, E, Fut>(
    clock: &Arc<dyn Clock>,
    mut use_case: impl FnMut() -> Fut,
) -> Result<T, E>
where
    Fut: Future<Output = Result<T, E>>,
    E: AsStoreError + std::fmt::Display,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .with_max_times(MAX_RETRIES)
        .with_jitter()
        .build();
    for pause in pauses {
        match use_case().await {
            Err(error) if error.as_store_error().is_some_and(StoreError::is_conflict) => {
                debug!(%error, pause_ms = pause.as_millis(), "retrying after a conflict");
                clock.sleep(pause).await;
            }
            result => return result,
        }
    }
    use_case().await
}

/// A use case error that may contain an error of the store.
pub(crate) trait AsStoreError {
    /// The error of the store, if this is one.
    fn as_store_error(&self) -> Option<&StoreError>;
}

impl AsStoreError for StoreError {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}
