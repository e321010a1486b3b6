//! Publishing, delivery, depth and probes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::OrderId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    QueueUnderTest, TIMEOUT, assert_all_in_order, ids, mixed_orders, orders, receipts, take,
    take_and_acknowledge,
};
use crate::builders::span_context;

/// Interval for polling a value that a broker updates with a delay.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// All orders are delivered, those of one product in the order in which they were published.
pub async fn orders_of_a_product_arrive_in_publishing_order(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    let published = mixed_orders(1..=120);
    for part in published.chunks(20) {
        under_test.publish(part).await;
    }
    let arrived = take_and_acknowledge(consumer.as_mut(), 120).await;
    assert_all_in_order(&arrived, &published);
}

/// Orders that are published without a consumer are delivered to the next consumer.
pub async fn orders_wait_for_a_consumer(under_test: &QueueUnderTest) {
    let published = mixed_orders([1, i64::MAX, 2, 4_000_000_000]);
    under_test.publish(&published).await;
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 4).await;
    assert_all_in_order(&arrived, &published);
}

/// Thousands of orders in one call are each delivered once.
pub async fn many_orders_in_one_publish_all_arrive_once(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=2_000);
    under_test.publish(&published).await;
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 2_000).await;
    assert_all_in_order(&arrived, &published);
}

/// A message has the trace of each of its orders that has one.
pub async fn the_trace_of_an_order_is_delivered_with_it(under_test: &QueueUnderTest) {
    let mut published = orders([1, 2, 3, 4], "p");
    for index in [1, 3] {
        published[index].trace = Some(span_context(7));
    }
    published[3].trace = Some(span_context(9));
    under_test.publish(&published).await;
    let mut consumer = under_test.consumer().await;
    let messages = take(consumer.as_mut(), 4).await;
    let mut traces: Vec<_> = messages
        .iter()
        .flat_map(|message| message.traces.clone())
        .collect();
    traces.sort_unstable();
    let expected = [(OrderId(2), span_context(7)), (OrderId(4), span_context(9))];
    assert_eq!(traces, expected);
    consumer.acknowledge(&receipts(&messages)).await.unwrap();
}

/// Publishing an empty list succeeds.
pub async fn publishing_an_empty_list_succeeds(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.publish(&[]).await, Ok(Vec::new()));
    assert_eq!(under_test.queue.depth().await, Ok(0));
}

/// Concurrent publishers each receive the confirmations of their own orders.
pub async fn concurrent_publishers_receive_their_own_confirmations(under_test: &QueueUnderTest) {
    let mut tasks = JoinSet::new();
    for task in 0..8_i64 {
        let queue = Arc::clone(&under_test.queue);
        tasks.spawn(async move {
            for round in 0..5 {
                let first = task * 1_000 + round * 10 + 1;
                let published = mixed_orders(first..first + 10);
                let mut confirmed = queue.publish(&published).await.unwrap();
                confirmed.sort_unstable();
                let expected: Vec<OrderId> = published.iter().map(|it| it.order_id).collect();
                assert_eq!(confirmed, expected);
            }
        });
    }
    tasks.join_all().await;
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 400).await;
    let distinct: BTreeSet<OrderId> = arrived.iter().copied().collect();
    assert_eq!((arrived.len(), distinct.len()), (400, 400));
}

/// Concurrent consumers together receive each order once.
pub async fn concurrent_consumers_receive_each_order_once(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=200);
    let (sender, mut arrived) = mpsc::unbounded_channel();
    let mut consumers = JoinSet::new();
    for _ in 0..2 {
        let mut consumer = under_test.consumer().await;
        let sender = sender.clone();
        consumers.spawn(async move {
            loop {
                let batch = consumer.next_batch(10).await.unwrap();
                consumer.acknowledge(&receipts(&batch)).await.unwrap();
                for id in ids(&batch) {
                    sender.send(id).unwrap();
                }
            }
        });
    }
    under_test.publish(&published[..100]).await;
    under_test.publish_one_by_one(&published[100..]).await;
    let deadline = Instant::now() + TIMEOUT;
    let mut all = BTreeSet::new();
    while all.len() < published.len() {
        let id = timeout_at(deadline, arrived.recv()).await;
        let id = id.expect("some orders did not arrive").unwrap();
        assert!(all.insert(id), "order {id} arrived twice");
    }
    consumers.shutdown().await;
    assert!(
        arrived.try_recv().is_err(),
        "more orders arrived than were published"
    );
}

/// The depth counts the messages in the queue, and is 0 after all are acknowledged.
pub async fn the_depth_counts_messages_in_the_queue(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.depth().await, Ok(0));
    let published = mixed_orders(1..=10);
    under_test.publish_one_by_one(&published).await;
    until_depth_is(under_test, published.len()).await;
    let mut consumer = under_test.consumer().await;
    take_and_acknowledge(consumer.as_mut(), published.len()).await;
    until_depth_is(under_test, 0).await;
}

/// Waits until the queue has this depth, which a broker may update with a delay.
async fn until_depth_is(under_test: &QueueUnderTest, expected: usize) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let depth = under_test.queue.depth().await.unwrap();
        if depth == expected as u64 {
            return;
        }
        let in_time = Instant::now() < deadline;
        assert!(in_time, "the depth is {depth} instead of {expected}");
        sleep(POLL_INTERVAL).await;
    }
}

/// Without dead messages, pruning removes nothing and loses no order.
pub async fn pruning_dead_messages_keeps_other_messages(under_test: &QueueUnderTest) {
    under_test.publish(&orders([1, 2], "p")).await;
    assert_eq!(under_test.queue.prune_dead_messages(0).await, Ok(0));
    let backlog = under_test.queue.backlog().await.unwrap();
    assert_eq!((backlog.surplus, backlog.dead), (0, 0));
    let mut consumer = under_test.consumer().await;
    let taken = take_and_acknowledge(consumer.as_mut(), 2).await;
    assert_eq!(taken, [OrderId(1), OrderId(2)]);
}

/// The probe of a working queue succeeds.
pub async fn the_probe_of_a_working_queue_is_ok(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.probe().await, Ok(()));
    under_test.publish(&orders([1], "p")).await;
    assert_eq!(under_test.queue.probe().await, Ok(()));
}

/// A consumer's probe succeeds while the consumer works or waits, and returns immediately after it was dropped.
pub async fn the_probe_of_a_consumer_outlives_it(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    let probe = consumer.watch();
    under_test.publish(&orders([1], "p")).await;
    take_and_acknowledge(consumer.as_mut(), 1).await;
    let waiting = tokio::spawn(async move { consumer.next_batch(1).await });
    let deadline = Instant::now() + TIMEOUT;
    while let Err(error) = probe.probe() {
        assert!(Instant::now() < deadline, "{error}");
        sleep(POLL_INTERVAL).await;
    }
    waiting.abort();
    // Either result is right for a dropped consumer.
    let _ = probe.probe();
}
