//! Connections that break: everything goes on by itself, and nothing that was promised is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::QueueDeleteOptions;
use domain::ports::{ConsumerProbe, OrderConsumer, OrderQueue, QueueError};
use queue_rabbitmq::RabbitOrderConsumer;
use tokio::time::timeout;

use crate::broker::{
    Broker, PATIENCE, acknowledge, connected, ids, orders, take, until_depth, until_up,
};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_arrives_though_connections_break_all_the_time() {
    let broker = Broker::new();
    let near_publisher = Arc::new(Proxy::start(&broker.options(3)));
    let near_consumer = Arc::new(Proxy::start(&broker.options(3)));
    let queue = connected(near_publisher.options(broker.options(3))).await;
    let mut consumer = RabbitOrderConsumer::start(near_consumer.options(broker.options(3)));

    let publishing = tokio::spawn(async move {
        let mut confirmed = BTreeSet::new();
        let mut refused = 0;
        for part in 0..400_i64 {
            let batch = orders(part * 10 + 1..=part * 10 + 10, 30);
            match queue.publish(&batch).await {
                Ok(ids) => confirmed.extend(ids.into_iter().map(|id| id.0)),
                Err(_) => refused += 1,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (confirmed, refused)
    });
    let breaking = tokio::spawn(async move {
        for _ in 0..4 {
            for proxy in [&near_publisher, &near_consumer] {
                tokio::time::sleep(Duration::from_millis(250)).await;
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(100)).await;
                proxy.restore();
            }
        }
        (near_publisher, near_consumer)
    });
    let mut arrived = BTreeSet::new();
    while let Ok(batch) = timeout(Duration::from_secs(8), consumer.next_batch(100)).await {
        let batch = batch.unwrap();
        arrived.extend(ids(&batch));
        acknowledge(&mut consumer, &batch).await;
    }
    let (confirmed, refused) = timeout(PATIENCE, publishing).await.unwrap().unwrap();
    let _proxies = breaking.await.unwrap();
    let lost: Vec<_> = confirmed.difference(&arrived).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    assert!(refused > 0, "the publisher's connection never broke");
    assert!(confirmed.len() > 500, "only {} confirmed", confirmed.len());
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_old_receipts_are_void() {
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
    assert!(
        first
            .iter()
            .all(|old| second.iter().all(|new| old.receipt != new.receipt))
    );
    acknowledge(&mut consumer, &first).await;
    acknowledge(&mut consumer, &second[..5]).await;
    drop(consumer);
    until_depth(&queue, 1).await;
}

#[tokio::test]
async fn what_lay_undelivered_in_a_broken_session_is_not_handed_out_twice() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let proxy = Proxy::start(&broker.options(1));
    let mut consumer = RabbitOrderConsumer::start(proxy.options(broker.options(1)));
    queue.publish(&orders([1], 1)).await.unwrap();
    queue.publish(&orders([2], 1)).await.unwrap();
    // Both are here by now; one is taken, the other lies in the consumer.
    let first = timeout(PATIENCE, consumer.next_batch(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ids(&first), [1]);
    until_depth(&queue, 0).await;
    proxy.cut();
    // Each side notices by itself: the consumer that its session is gone, the broker that both messages are its own again.
    until(consumer.watch().as_ref(), Result::is_err).await;
    until_depth(&queue, 2).await;
    assert!(
        timeout(Duration::from_millis(200), consumer.next_batch(9))
            .await
            .is_err(),
        "void, and the wait goes on without an error"
    );
    proxy.restore();
    let again = take(&mut consumer, 2).await;
    assert_eq!(ids(&again), [1, 2]);
    acknowledge(&mut consumer, &again).await;
    drop(consumer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_consumer_whose_queue_is_deleted_declares_it_again() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    queue.publish(&orders([1], 1)).await.unwrap();
    let taken = take(&mut consumer, 1).await;
    acknowledge(&mut consumer, &taken).await;
    broker
        .behind_its_back(|channel| {
            channel
                .queue_delete("orders.0", QueueDeleteOptions::default())
                .unwrap();
        })
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
    assert_eq!(ids(&take(&mut consumer, 1).await), [2]);
}

async fn until(probe: &dyn ConsumerProbe, wanted: impl Fn(&Result<(), QueueError>) -> bool) {
    timeout(PATIENCE, async {
        while !wanted(&probe.probe()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("it stays {:?}", probe.probe()));
}

fn is_unavailable(probed: &Result<(), QueueError>) -> bool {
    matches!(probed, Err(QueueError::Unavailable(_)))
}

#[tokio::test]
async fn a_consumer_shows_whether_messages_can_come_to_it() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(2));
    let consumer = RabbitOrderConsumer::start(proxy.options(broker.options(2)));
    let probe = consumer.watch();
    until(probe.as_ref(), Result::is_ok).await;
    proxy.cut();
    until(probe.as_ref(), is_unavailable).await;
    proxy.restore();
    until(probe.as_ref(), Result::is_ok).await;
    drop(consumer);
    let closed = Err(QueueError::Closed);
    until(probe.as_ref(), |probed| *probed == closed).await;
}

#[tokio::test]
async fn a_consumer_that_may_connect_and_not_consume_is_never_up() {
    let broker = Broker::new();
    // With its queues there, connecting works.
    drop(broker.queue(1).await);
    broker.let_read_only("^orders$");
    let consumer = broker.consumer(1);
    let probe = consumer.watch();
    let start = Instant::now();
    // Several attempts; without a pause, as being up for a moment would be wrong too.
    while start.elapsed() < Duration::from_secs(2) {
        assert!(is_unavailable(&probe.probe()));
        std::thread::yield_now();
    }
    let refused = |probed: &Result<(), QueueError>| {
        probed
            .as_ref()
            .is_err_and(|error| error.to_string().contains("access to queue"))
    };
    until(probe.as_ref(), refused).await;
}
