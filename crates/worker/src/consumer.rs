//! Takes batches from the queue, settles them, and acknowledges only then.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::ports::{OrderConsumer, QueueError, QueuedMessage, Receipt};
use domain::services::SettleOrders;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::backoff::Backoff;

/// A store that is away is asked again after pauses of this to [`LONGEST_PAUSE`]; meanwhile the batch is held, so that it
/// is not delivered again and again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Settles until told to stop; what is under way is settled first.
///
/// # Errors
/// If the queue is closed for good.
pub async fn run(
    consumer: &mut dyn OrderConsumer,
    settle: &SettleOrders,
    batch: usize,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            taken = consumer.next_batch(batch) => taken,
        };
        match taken {
            Ok(messages) => {
                backoff.reset();
                if !settle_held(&messages, settle, stop).await {
                    return Ok(());
                }
                acknowledge(consumer, &messages).await;
            }
            Err(QueueError::Closed) => return Err(QueueError::Closed),
            Err(error @ QueueError::Unavailable(_)) => {
                debug!(%error, "no messages for now");
                if !pause(&mut backoff, stop).await {
                    return Ok(());
                }
            }
        }
    }
}

/// Returns whether the messages are settled; not if the worker stops first: they will be delivered again.
async fn settle_held(
    messages: &[QueuedMessage],
    settle: &SettleOrders,
    stop: &CancellationToken,
) -> bool {
    let mut order_ids: Vec<OrderId> = messages
        .iter()
        .flat_map(|message| message.order_ids.iter().copied())
        .collect();
    order_ids.sort_unstable();
    order_ids.dedup();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut last_error = String::new();
    loop {
        let Err(error) = settle.settle(&order_ids).await else {
            return true;
        };
        let error = error.to_string();
        if error != last_error {
            warn!(orders = order_ids.len(), error, "orders wait to be settled");
            last_error = error;
        }
        if !pause(&mut backoff, stop).await {
            return false;
        }
    }
}

async fn acknowledge(consumer: &mut dyn OrderConsumer, messages: &[QueuedMessage]) {
    let receipts: Vec<Receipt> = messages.iter().map(|message| message.receipt).collect();
    if let Err(error) = consumer.acknowledge(&receipts).await {
        // They come again, and are found settled.
        debug!(%error, "settled messages could not be acknowledged");
    }
}

async fn pause(backoff: &mut Backoff, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(backoff.next()) => true,
        () = stop.cancelled() => false,
    }
}
