//! Tests broken connections: the adapter recovers automatically, and no confirmed message is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ports::{ConsumerProbe, OrderConsumer, OrderQueue, QueueError};
use queue_rabbitmq::RabbitOrderConsumer;
use tokio::time::timeout;

use crate::broker::{
    Broker, TEST_TIMEOUT, acknowledge, assert_no_message, connected, eventually, ids, orders, take,
    wait_for_depth, wait_until_up,
};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_messages_arrive_while_connections_break_repeatedly() {
    let broker = Broker::new();
    let near_publisher = Arc::new(Proxy::start(&broker.options(3)));
    let near_consumer = Arc::new(Proxy::start(&broker.options(3)));
    let queue = connected(near_publisher.options(broker.options(3))).await;
    let mut consumer = RabbitOrderConsumer::start(near_consumer.options(broker.options(3)));

    let publishing = tokio::spawn(async move {
        let mut confirmed = BTreeSet::new();
        for part in 0..400_i64 {
            let batch = orders(part * 10 + 1..=part * 10 + 10, 30);
            if let Ok(ids) = queue.publish(&batch).await {
                confirmed.extend(ids.into_iter().map(|id| id.0));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        confirmed
    });
    let breaking = tokio::spawn(async move {
        let mut cuts = [0, 0];
        for _ in 0..4 {
            for (proxy, cut) in [&near_publisher, &near_consumer].into_iter().zip(&mut cuts) {
                tokio::time::sleep(Duration::from_millis(250)).await;
                *cut += proxy.cut();
                tokio::time::sleep(Duration::from_millis(100)).await;
                proxy.restore();
            }
        }
        ((near_publisher, near_consumer), cuts)
    });
    let mut arrived = BTreeSet::new();
    while let Ok(batch) = timeout(Duration::from_secs(8), consumer.next_batch(100)).await {
        let batch = batch.unwrap();
        arrived.extend(ids(&batch));
        acknowledge(&mut consumer, &batch).await;
    }
    let confirmed = timeout(TEST_TIMEOUT, publishing).await.unwrap().unwrap();
    let (_proxies, cuts) = breaking.await.unwrap();
    let lost: Vec<_> = confirmed.difference(&arrived).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    // Whether a batch is refused depends on how fast the publisher connects again.
    assert!(
        !cuts.contains(&0),
        "publisher, consumer: {cuts:?} connections were cut"
    );
    assert!(confirmed.len() > 500, "only {} confirmed", confirmed.len());
}

#[tokio::test]
async fn unacknowledged_messages_are_redelivered_and_old_receipts_are_ignored() {
    let broker = Broker::new();
    let queue = broker.queue(2).await;
    let proxy = Proxy::start(&broker.options(2));
    let mut consumer = RabbitOrderConsumer::start(proxy.options(broker.options(2)));
    for id in 1..=6 {
        queue.publish(&orders([id], 6)).await.unwrap();
    }
    let first = take(&mut consumer, 6).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_millis(300)).await;
    acknowledge(&mut consumer, &first).await;
    proxy.restore();
    let second = take(&mut consumer, 6).await;
    assert_eq!(ids(&second), [1, 2, 3, 4, 5, 6]);
    for old in &first {
        assert!(second.iter().all(|new| old.receipt != new.receipt));
    }
    acknowledge(&mut consumer, &first).await;
    acknowledge(&mut consumer, &second[..5]).await;
    drop(consumer);
    wait_for_depth(&queue, 1).await;
}

#[tokio::test]
async fn buffered_messages_of_a_broken_session_are_not_handed_out_twice() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let proxy = Proxy::start(&broker.options(1));
    let mut consumer = RabbitOrderConsumer::start(proxy.options(broker.options(1)));
    queue.publish(&orders([1], 1)).await.unwrap();
    queue.publish(&orders([2], 1)).await.unwrap();
    // Both messages have arrived; one is handed out, the other is in the inbox.
    let first = timeout(TEST_TIMEOUT, consumer.next_batch(1)).await.unwrap();
    assert_eq!(ids(&first.unwrap()), [1]);
    wait_for_depth(&queue, 0).await;
    proxy.cut();
    // Both sides detect the cut: the consumer ends its session, and the broker requeues both messages.
    wait_until(consumer.watch().as_ref(), Result::is_err).await;
    wait_for_depth(&queue, 2).await;
    // The buffered message is discarded.
    assert_no_message(&mut consumer, 200).await;
    proxy.restore();
    let again = take(&mut consumer, 2).await;
    assert_eq!(ids(&again), [1, 2]);
    acknowledge(&mut consumer, &again).await;
    drop(consumer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_consumer_declares_its_deleted_queue_again() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    queue.publish(&orders([1], 1)).await.unwrap();
    let taken = take(&mut consumer, 1).await;
    acknowledge(&mut consumer, &taken).await;
    broker.delete_queue("orders.0").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wait_until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
    assert_eq!(ids(&take(&mut consumer, 1).await), [2]);
}

async fn wait_until(probe: &dyn ConsumerProbe, wanted: impl Fn(&Result<(), QueueError>) -> bool) {
    eventually(async || {
        let probed = probe.probe();
        wanted(&probed).then_some(()).ok_or(probed)
    })
    .await;
}

fn is_unavailable(probed: &Result<(), QueueError>) -> bool {
    matches!(probed, Err(QueueError::Unavailable(_)))
}

#[tokio::test]
async fn the_probe_of_a_consumer_reports_its_connection() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(2));
    let consumer = RabbitOrderConsumer::start(proxy.options(broker.options(2)));
    let probe = consumer.watch();
    wait_until(probe.as_ref(), Result::is_ok).await;
    proxy.cut();
    wait_until(probe.as_ref(), is_unavailable).await;
    proxy.restore();
    wait_until(probe.as_ref(), Result::is_ok).await;
    drop(consumer);
    let closed = Err(QueueError::Closed);
    wait_until(probe.as_ref(), |probed| *probed == closed).await;
}

#[tokio::test]
async fn a_consumer_without_the_read_permission_is_never_up() {
    let broker = Broker::new();
    // The queues exist, so connecting succeeds.
    drop(broker.queue(1).await);
    broker.restrict(".*", "^orders$");
    let consumer = broker.consumer(1);
    let probe = consumer.watch();
    let start = Instant::now();
    // Spans several attempts; polls without a pause, because being up for a short time would be wrong too.
    while start.elapsed() < Duration::from_secs(2) {
        assert!(is_unavailable(&probe.probe()));
        std::thread::yield_now();
    }
    let is_refused = |error: &QueueError| error.to_string().contains("access to queue");
    wait_until(probe.as_ref(), |probed| {
        probed.as_ref().is_err_and(is_refused)
    })
    .await;
}
