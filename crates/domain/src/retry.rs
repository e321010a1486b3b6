//! The one place where a use case is repeated because another transaction was in its way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tracing::debug;

use crate::ports::{Clock, StoreError};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
const MAX_REPEATS: usize = 8;

/// Runs a whole use case, from begin to commit, and again if the store reports a conflict: at most 8 times more, with
/// growing, jittered pauses of 5 to 200 ms.
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
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(MAX_REPEATS)
        .with_jitter()
        .build();
    for pause in pauses {
        match use_case().await {
            Err(error) if error.as_store_error().is_some_and(StoreError::is_conflict) => {
                debug!(%error, pause_ms = pause.as_millis(), "repeating after a conflict");
                clock.sleep(pause).await;
            }
            ended => return ended,
        }
    }
    use_case().await
}

/// An error of a use case that may be one of the store's.
pub(crate) trait AsStoreError {
    /// The store's part in it.
    fn as_store_error(&self) -> Option<&StoreError>;
}

impl AsStoreError for StoreError {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}
