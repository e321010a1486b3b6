//! Enforcing the setting `max_age` of one vendor while this process syncs it. Not part of its syncs: the age of its numbers
//! also grows while a request hangs or the vendor fails.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::VendorFeed;
use domain::services::VendorExpiry;
use readiness::{Cause, TaskHealth};
use tokio::time::sleep;

/// Pause after a failure of the store, and while other transactions hold positions whose marks an earlier setting left.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Time between two comparisons: a quarter of `max_age`, within these bounds.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// Compares the age of the vendor's numbers with its `max_age` until it is dropped. Without a `max_age` it ends once marks of
/// an earlier setting are gone.
pub(crate) async fn enforce_max_age(
    expiry: VendorExpiry,
    feed: Arc<dyn VendorFeed>,
    health: TaskHealth,
) {
    loop {
        let pause = match expiry.enforce(feed.vendor_id(), feed.max_age()).await {
            Ok(enforced) => match feed.max_age() {
                Some(max_age) => (max_age / 4).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
                None if enforced.is_complete => return,
                None => RETRY_PAUSE,
            },
            Err(error) => {
                health.failed(Cause::from(&error), &error);
                RETRY_PAUSE
            }
        };
        sleep(pause).await;
    }
}
