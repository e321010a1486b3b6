//! From publishing to a consumer, and aside.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::OrderId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    PATIENCE, QueueUnderTest, assert_all_in_order, ids, mixed_orders, orders, receipts,
    take_and_acknowledge,
};

/// How often to look for what changes with some delay.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// All orders come, and those of one product in the order in which they were published.
pub async fn published_orders_arrive_and_keep_the_order_of_a_product(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    let published = mixed_orders(1..=120);
    for part in published.chunks(20) {
        under_test.publish(part).await;
    }
    let arrived = take_and_acknowledge(consumer.as_mut(), 120).await;
    assert_all_in_order(&arrived, &published);
}

/// What is published while there is no consumer waits for one.
pub async fn orders_wait_for_a_consumer(under_test: &QueueUnderTest) {
    let published = mixed_orders([1, i64::MAX, 2, 4_000_000_000]);
    under_test.publish(&published).await;
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 4).await;
    assert_all_in_order(&arrived, &published);
}

/// Thousands of orders in one call all come, each once.
pub async fn many_orders_in_one_publish_all_arrive_once(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=2_000);
    under_test.publish(&published).await;
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 2_000).await;
    assert_all_in_order(&arrived, &published);
}

/// Nothing to publish is no failure.
pub async fn publishing_nothing_confirms_nothing(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.publish(&[]).await, Ok(Vec::new()));
    assert_eq!(under_test.queue.depth().await, Ok(0));
}

/// Callers that publish at the same time each get the confirmation of their own orders.
pub async fn concurrent_publishers_do_not_mix(under_test: &QueueUnderTest) {
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

/// Consumers at the same time together get each order once.
pub async fn concurrent_consumers_share(under_test: &QueueUnderTest) {
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
    let deadline = Instant::now() + PATIENCE;
    let mut all = BTreeSet::new();
    while all.len() < published.len() {
        let id = timeout_at(deadline, arrived.recv()).await;
        let id = id.expect("some orders did not come").unwrap();
        assert!(all.insert(id), "order {id} came twice");
    }
    consumers.shutdown().await;
    assert!(arrived.try_recv().is_err(), "more came than was published");
}

/// The depth counts what waits, and nothing once all is acknowledged.
pub async fn the_depth_counts_what_waits(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.depth().await, Ok(0));
    let published = mixed_orders(1..=10);
    under_test.publish_one_by_one(&published).await;
    until_depth_is(under_test, published.len()).await;
    let mut consumer = under_test.consumer().await;
    take_and_acknowledge(consumer.as_mut(), published.len()).await;
    until_depth_is(under_test, 0).await;
}

/// A broker may count with some delay.
async fn until_depth_is(under_test: &QueueUnderTest, expected: usize) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let depth = under_test.queue.depth().await.unwrap();
        if depth == expected as u64 {
            return;
        }
        let in_time = Instant::now() < give_up;
        assert!(in_time, "the depth is {depth} instead of {expected}");
        sleep(LOOK_EVERY).await;
    }
}

/// Without dead messages there is nothing to prune, and no order is lost by it.
pub async fn pruning_dead_messages_leaves_what_waits(under_test: &QueueUnderTest) {
    under_test.publish(&orders([1, 2], "p")).await;
    assert_eq!(under_test.queue.prune_dead_messages(0).await, Ok(0));
    let backlog = under_test.queue.backlog().await.unwrap();
    assert_eq!((backlog.surplus, backlog.dead), (0, 0));
    let mut consumer = under_test.consumer().await;
    let taken = take_and_acknowledge(consumer.as_mut(), 2).await;
    assert_eq!(taken, [OrderId(1), OrderId(2)]);
}

/// A queue that works says so.
pub async fn the_probe_of_a_working_queue_is_ok(under_test: &QueueUnderTest) {
    assert_eq!(under_test.queue.probe().await, Ok(()));
    under_test.publish(&orders([1], "p")).await;
    assert_eq!(under_test.queue.probe().await, Ok(()));
}

/// A consumer that works says so, also while it waits, and its probe answers at once when it has gone.
pub async fn the_probe_of_a_consumer_outlives_it(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    let probe = consumer.watch();
    under_test.publish(&orders([1], "p")).await;
    take_and_acknowledge(consumer.as_mut(), 1).await;
    let waiting = tokio::spawn(async move { consumer.next_batch(1).await });
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = probe.probe() {
        assert!(Instant::now() < deadline, "{error}");
        sleep(LOOK_EVERY).await;
    }
    waiting.abort();
    // Whatever it says of a consumer that is no more.
    let _ = probe.probe();
}
