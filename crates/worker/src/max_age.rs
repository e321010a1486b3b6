//! Enforces the setting `max_age` of one vendor while this process syncs it. This is not part of the syncs, because the
//! counts also age while a request hangs or the vendor fails.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::services::VendorExpiry;
use readiness::{Cause, TaskHealth};
use tokio::time::sleep;

/// Pause after a failure of the store, and while other transactions lock vendor stock rows that an earlier setting marked as
/// expired.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Interval between two checks: a quarter of `max_age`, within these bounds.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// Compares the age of the vendor's counts with its `max_age`, until dropped. Without a `max_age` it returns once the marks
/// that an earlier setting made are removed.
pub(crate) async fn enforce_max_age(
    expiry: VendorExpiry,
    vendor_id: VendorId,
    max_age: Option<Duration>,
    health: TaskHealth,
) {
    loop {
        let pause = match expiry.enforce(&vendor_id, max_age).await {
            Ok(enforced) => match max_age {
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
