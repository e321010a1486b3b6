//! Publishes the outbox to the queue. Woken by notifications of new entries, and by a slow poll if a notification is lost.

use std::time::Duration;

use domain::ports::Listener;
use domain::services::{Relay, Relayed};
use readiness::{Cause, TaskHealth};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Number of orders in a round from which on the relay pauses, so that the orders that are accepted meanwhile share the next
/// round and their settlement. After fewer orders it publishes at once.
const SEVERAL_ORDERS: usize = 4;

/// Maximum duration of such a pause.
const LONGEST_SHARING_PAUSE: Duration = Duration::from_millis(3);

/// Returns the pause after a round that published this number of orders: as long as the round, up to
/// [`LONGEST_SHARING_PAUSE`].
fn pause_after(orders: usize, round: Duration) -> Duration {
    if orders < SEVERAL_ORDERS {
        Duration::ZERO
    } else {
        round.min(LONGEST_SHARING_PAUSE)
    }
}

/// Relays until `stop` is cancelled; a round in progress is completed first. Records the outcome of each round.
pub async fn run(
    relay: &Relay,
    listener: &mut dyn Listener,
    poll: Duration,
    health: &TaskHealth,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !stop.is_cancelled() {
        let started = Instant::now();
        match relay.run_once().await {
            Ok(Relayed {
                orders,
                may_have_more,
            }) => {
                backoff.reset();
                health.succeeded();
                let pause = pause_after(orders, started.elapsed());
                let wait = async {
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                    // Orders that were accepted during the round have been announced since: the wait ends at once. Other
                    // entries are found by the poll.
                    if !may_have_more {
                        listener.wait(poll).await;
                    }
                };
                tokio::select! {
                    () = wait => {}
                    () = stop.cancelled() => return,
                }
            }
            Err(error) => {
                health.failed(Cause::from(&error), &error);
                tokio::select! {
                    () = sleep(backoff.next()) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_with_several_orders_are_followed_by_a_pause_as_long_up_to_the_maximum() {
        let ms = Duration::from_millis;
        assert_eq!(pause_after(SEVERAL_ORDERS - 1, ms(9)), ms(0));
        assert_eq!(pause_after(SEVERAL_ORDERS, ms(1)), ms(1));
        assert_eq!(pause_after(SEVERAL_ORDERS, ms(9)), ms(3));
    }
}
