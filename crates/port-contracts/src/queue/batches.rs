//! Batches that a consumer returns, and calls that are cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{
    QueueUnderTest, TIMEOUT, assert_all_in_order, ids, mixed_orders, orders, receipts, take,
    take_and_acknowledge,
};

const QUIET: Duration = Duration::from_millis(200);

/// A batch has at most the requested number of orders, unless its only message has more.
pub async fn a_batch_respects_its_limit(under_test: &QueueUnderTest) {
    let published = orders(1..=60, "p");
    under_test.publish(&published[..30]).await;
    under_test.publish_one_by_one(&published[30..]).await;
    let mut consumer = under_test.consumer().await;
    let mut arrived = Vec::new();
    for limit in [1, 2, 3, 5, 8].into_iter().cycle() {
        let batch = timeout(TIMEOUT, consumer.next_batch(limit)).await;
        let batch = batch.expect("not all orders arrived").unwrap();
        assert!(!batch.is_empty() && batch.iter().all(|it| !it.order_ids.is_empty()));
        let count = ids(&batch).len();
        assert!(count <= limit || batch.len() == 1, "{count} of {limit}");
        consumer.acknowledge(&receipts(&batch)).await.unwrap();
        arrived.extend(ids(&batch));
        if arrived.len() >= published.len() {
            break;
        }
    }
    assert_all_in_order(&arrived, &published);
}

/// A call waits for its first message, and not for further ones.
pub async fn a_batch_waits_for_its_first_message_only(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    let nothing = timeout(QUIET, consumer.next_batch(1_000)).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let queue = Arc::clone(&under_test.queue);
    let later = tokio::spawn(async move {
        sleep(QUIET).await;
        queue.publish(&orders([1], "p")).await.unwrap();
    });
    let batch = timeout(TIMEOUT, consumer.next_batch(1_000)).await;
    let batch = batch.expect("no batch arrived").unwrap();
    later.await.unwrap();
    assert_eq!(ids(&batch), [domain::identifiers::OrderId(1)]);
    consumer.acknowledge(&receipts(&batch)).await.unwrap();
}

/// Cancelling calls at any time and any number of times loses no message and delivers none twice.
pub async fn a_cancelled_call_loses_no_message(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=150);
    let mut consumer = under_test.consumer().await;
    let (queue, parts) = (Arc::clone(&under_test.queue), published.clone());
    let publishing = tokio::spawn(async move {
        for part in parts.chunks(3) {
            queue.publish(part).await.unwrap();
            sleep(Duration::from_millis(3)).await;
        }
    });
    let deadline = Instant::now() + TIMEOUT;
    let mut arrived = Vec::new();
    let mut round = 0_u64;
    while arrived.len() < published.len() {
        assert!(Instant::now() < deadline, "only {} arrived", arrived.len());
        round += 1;
        let patience = Duration::from_micros(round * 137 % 2_000);
        if let Ok(batch) = timeout(patience, consumer.next_batch(4)).await {
            let batch = batch.unwrap();
            consumer.acknowledge(&receipts(&batch)).await.unwrap();
            arrived.extend(ids(&batch));
        }
    }
    publishing.await.unwrap();
    assert_all_in_order(&arrived, &published);
}

/// A cancelled call keeps no message from the next consumer.
pub async fn a_cancelled_call_keeps_no_message_from_others(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    for _ in 0..5 {
        let nothing = timeout(QUIET / 10, consumer.next_batch(1)).await;
        assert!(nothing.is_err(), "{nothing:?}");
    }
    let published = orders(1..=5, "p");
    under_test.publish_one_by_one(&published).await;
    let first = take(consumer.as_mut(), 1).await;
    drop(consumer);
    let mut next = under_test.consumer().await;
    let again = take_and_acknowledge(next.as_mut(), 5).await;
    assert_eq!(again[0], first[0].order_ids[0]);
    assert_all_in_order(&again, &published);
}
