//! Consumes batches from the queue, settles them, then acknowledges them.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::ports::{OrderConsumer, QueueError, QueuedMessage, Receipt};
use domain::services::{SettleOrders, Traces};
use readiness::Cause;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span};

use crate::backoff::Backoff;
use crate::consumer_state::ConsumerState;

/// A failed settlement or receive is retried after pauses from this to [`LONGEST_PAUSE`]. The batch is held meanwhile, so
/// that it is not redelivered.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Settles batches until `stop` is cancelled; a batch that has been received is settled first. Updates `state`.
///
/// # Errors
/// If the queue is closed permanently.
pub async fn run(
    consumer: &mut dyn OrderConsumer,
    settle: &SettleOrders,
    batch: usize,
    state: &ConsumerState,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    state.begin(consumer.watch());
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let received = stop.run_until_cancelled(consumer.next_batch(batch));
        let Some(received) = received.await else {
            return Ok(());
        };
        match received {
            Ok(messages) => {
                backoff.reset();
                if !settle_with_retry(&messages, settle, state, stop).await {
                    return Ok(());
                }
                acknowledge(consumer, &messages).await;
            }
            Err(QueueError::Closed) => return Err(QueueError::Closed),
            Err(error @ QueueError::Unavailable(_)) => {
                debug!(%error, "cannot receive messages; retrying");
                if !pause(&mut backoff, stop).await {
                    return Ok(());
                }
            }
        }
    }
}

/// Retries until the messages are settled. Returns false if `stop` is cancelled first; the broker then redelivers them.
async fn settle_with_retry(
    messages: &[QueuedMessage],
    settle: &SettleOrders,
    state: &ConsumerState,
    stop: &CancellationToken,
) -> bool {
    let traces: Traces = messages
        .iter()
        .flat_map(|message| message.traces.iter().copied())
        .collect();
    let mut order_ids: Vec<OrderId> = messages
        .iter()
        .flat_map(|message| message.order_ids.iter().copied())
        .collect();
    order_ids.sort_unstable();
    order_ids.dedup();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let attempt = state.health().attempt();
        let span = info_span!(
            "settlement",
            orders = order_ids.len(),
            order.first_id = order_ids.first().map(|id| id.0),
            order.last_id = order_ids.last().map(|id| id.0),
        );
        let settled = settle.settle_traced(&order_ids, &traces).instrument(span);
        let Err(error) = settled.await else {
            attempt.succeeded();
            return true;
        };
        attempt.failed(Cause::from(&error), &error);
        debug!(
            orders = order_ids.len(),
            "orders were not settled; retrying"
        );
        if !pause(&mut backoff, stop).await {
            return false;
        }
    }
}

async fn acknowledge(consumer: &mut dyn OrderConsumer, messages: &[QueuedMessage]) {
    let receipts: Vec<Receipt> = messages.iter().map(|message| message.receipt).collect();
    if let Err(error) = consumer.acknowledge(&receipts).await {
        // The messages are redelivered, and their orders are no longer `PENDING`.
        debug!(%error, "settled messages were not acknowledged; they are redelivered");
    }
}

async fn pause(backoff: &mut Backoff, stop: &CancellationToken) -> bool {
    let slept = stop.run_until_cancelled(sleep(backoff.next()));
    slept.await.is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use clock_tokio::SystemClock;
    use domain::allocation::most_available_first;
    use domain::identifiers::ProductId;
    use domain::ports::{
        MockConsumerProbe, MockOrderConsumer, MockStore, MockUnitOfWork, OrderQueue as _,
        QueuedOrder, StoreError, UnitOfWork,
    };
    use queue_in_process::InProcessQueue;
    use readiness::TaskState;

    use super::*;

    /// The state and the detail that readiness reports.
    fn shown(state: &ConsumerState) -> (TaskState, Option<&'static str>) {
        let task = state.task();
        (task.state, task.detail)
    }

    /// Settlement on a store that is unavailable until `is_available` is set, and then has no pending orders.
    fn settle(is_available: &Arc<AtomicBool>) -> SettleOrders {
        let mut store = MockStore::new();
        let is_available = Arc::clone(is_available);
        store.expect_begin().returning(move || {
            if !is_available.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("refused".to_owned()));
            }
            let mut work = MockUnitOfWork::new();
            work.expect_try_lock_pending().returning(|_| Ok(Vec::new()));
            work.expect_lock_pending().returning(|_| Ok(Vec::new()));
            work.expect_limit_lock_waits().returning(|_| Ok(()));
            Ok(Box::new(work) as Box<dyn UnitOfWork>)
        });
        SettleOrders::new(Arc::new(store), Arc::new(SystemClock), most_available_first)
    }

    #[tokio::test(start_paused = true)]
    async fn consumer_is_stuck_while_it_holds_a_batch() {
        let queue = InProcessQueue::new(1);
        let order = QueuedOrder::new(OrderId(1), ProductId::parse("p").unwrap());
        queue.publish(&[order]).await.unwrap();
        let is_available = Arc::new(AtomicBool::new(false));
        let settle = settle(&is_available);
        let (state, stop) = (ConsumerState::new("consumer-1"), CancellationToken::new());
        assert_eq!(
            shown(&state),
            (TaskState::Disconnected, Some(Cause::NotStarted.text()))
        );

        let mut consumer = queue.consumer();
        let (seen, end) = (state.clone(), stop.clone());
        let checks = async move {
            sleep(Duration::from_secs(3)).await;
            assert_eq!(shown(&seen), (TaskState::Running, None));
            sleep(Duration::from_secs(2)).await;
            let stuck = Some(Cause::StoreUnavailable.text());
            assert_eq!(shown(&seen), (TaskState::Stuck, stuck));
            is_available.store(true, Ordering::Relaxed);
            sleep(Duration::from_secs(5)).await;
            assert_eq!(shown(&seen), (TaskState::Running, None));
            end.cancel();
        };
        let (ended, ()) = tokio::join!(run(&mut consumer, &settle, 10, &state, &stop), checks);
        ended.unwrap();
        queue.probe().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn consumer_without_a_connection_is_disconnected() {
        let up = Arc::new(AtomicBool::new(false));
        let mut consumer = MockOrderConsumer::new();
        let is_up = Arc::clone(&up);
        consumer.expect_watch().returning(move || {
            let (mut probe, is_up) = (MockConsumerProbe::new(), Arc::clone(&is_up));
            probe.expect_probe().returning(move || {
                let refused = QueueError::Unavailable("refused".to_owned());
                is_up.load(Ordering::Relaxed).then_some(()).ok_or(refused)
            });
            Arc::new(probe)
        });
        consumer
            .expect_next_batch()
            .returning(|_| Err(QueueError::Unavailable("refused".to_owned())));
        let settle = settle(&Arc::default());
        let (state, stop) = (ConsumerState::new("consumer-1"), CancellationToken::new());
        let (seen, end) = (state.clone(), stop.clone());
        let checks = async move {
            sleep(Duration::from_secs(1)).await;
            let unavailable = Some(Cause::QueueUnavailable.text());
            assert_eq!(shown(&seen), (TaskState::Disconnected, unavailable));
            up.store(true, Ordering::Relaxed);
            assert_eq!(shown(&seen), (TaskState::Running, None));
            end.cancel();
        };
        let (ended, ()) = tokio::join!(run(&mut consumer, &settle, 10, &state, &stop), checks);
        ended.unwrap();
    }
}
