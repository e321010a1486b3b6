//! Tests how consumers share the queues, and the queues above the configured number.

use std::time::Duration;

use domain::ports::{OrderConsumer, OrderQueue, Share};
use queue_rabbitmq::RabbitOrderConsumer;
use tokio::time::{sleep, timeout};

use crate::broker::{
    Broker, TEST_TIMEOUT, acknowledge, assert_no_message, eventually, ids, orders, take,
    wait_for_backlog, wait_for_depth,
};

/// Enough products for each of the 8 queues to get some.
const PRODUCTS: i64 = 64;

/// Waits until each consumer has a subscription, and assigns the shares by member name, as workers do.
async fn assign_shares(consumers: &[&RabbitOrderConsumer]) {
    let mut members: Vec<(String, &RabbitOrderConsumer)> = Vec::new();
    for consumer in consumers {
        up(consumer).await;
        members.push((consumer.watch().member().unwrap(), consumer));
    }
    members.sort_by(|one, other| one.0.cmp(&other.0));
    let of = members.len();
    for (index, (member, consumer)) in members.iter().enumerate() {
        consumer.watch().assign(member, Share { index, of });
    }
}

async fn up(consumer: &RabbitOrderConsumer) {
    eventually(async || consumer.watch().probe()).await;
}

/// Waits until the numbers of queues on which the consumers are active, ascending, are as expected.
async fn wait_for_active(broker: &Broker, expected: &str) {
    eventually(async || match broker.active_queues() {
        active if active == expected => Ok(()),
        active => Err(format!("{active}, expected {expected}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_share_the_queues_without_returning_messages() {
    let broker = Broker::new();
    let queue = broker.queue(8).await;
    let mut first = broker.consumer(8);
    up(&first).await;
    let published = orders(1..=PRODUCTS, PRODUCTS);
    queue.publish(&published).await.unwrap();
    let held = take(&mut first, published.len()).await;
    assert_eq!(broker.active_queues(), "{8}");

    let mut second = broker.consumer(8);
    up(&second).await;
    assign_shares(&[&first, &second]).await;
    wait_for_active(&broker, "{4,4}").await;

    // Messages delivered before stay with the first consumer; only new messages are delivered to the second one.
    let more = orders(1_001..=1_000 + PRODUCTS, PRODUCTS);
    queue.publish(&more).await.unwrap();
    let mut arrived = Vec::new();
    let mut of_first = 0;
    while arrived.len() < more.len() {
        let (batch, is_first) = tokio::select! {
            batch = first.next_batch(1_000) => (batch.unwrap(), true),
            batch = second.next_batch(1_000) => (batch.unwrap(), false),
        };
        let consumer = if is_first { &mut first } else { &mut second };
        acknowledge(consumer, &batch).await;
        if is_first {
            of_first += ids(&batch).len();
        }
        arrived.extend(ids(&batch));
    }
    arrived.sort_unstable();
    assert_eq!(arrived, (1_001..=1_000 + PRODUCTS).collect::<Vec<_>>());
    assert!((1..more.len()).contains(&of_first), "{of_first}");
    assert_eq!(broker.active_queues(), "{4,4}", "the assignment is stable");
    acknowledge(&mut first, &held).await;
    wait_for_depth(&queue, 0).await;
    assert_eq!(broker.unacknowledged(), 0);
    assert_no_message(&mut second, 300).await;

    // When a consumer disconnects, the other one becomes active on all queues.
    drop(first);
    wait_for_active(&broker, "{8}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_consumer_gets_a_share_and_the_remainder_is_spread() {
    let broker = Broker::new();
    let (first, second) = (broker.consumer(8), broker.consumer(8));
    assign_shares(&[&first, &second]).await;
    wait_for_active(&broker, "{4,4}").await;
    let third = broker.consumer(8);
    assign_shares(&[&first, &second, &third]).await;
    wait_for_active(&broker, "{2,3,3}").await;
}

/// Delivery counts do not rise: a message that is held over many releases is not dead-lettered after the 20th.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_message_survives_more_releases_than_the_delivery_limit() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    up(&consumer).await;
    queue.publish(&orders([7], 1)).await.unwrap();
    let held = take(&mut consumer, 1).await;
    let probe = consumer.watch();
    let member = probe.member().unwrap();
    for round in 0..25 {
        // Each round assigns a new share without queue 0, which is released once for it.
        let of = 2 + round;
        probe.assign(&member, Share { index: 1, of });
        sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(probe.member(), Some(member), "the session is the same");
    let backlog = queue.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.dead), (0, 0));
    assert_eq!(broker.unacknowledged(), 1);
    acknowledge(&mut consumer, &held).await;
    drop(consumer);
    sleep(Duration::from_secs(1)).await;
    wait_for_backlog(&queue, |backlog| backlog.waiting == 0 && backlog.dead == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_above_a_lowered_number_are_counted_and_consumed() {
    let broker = Broker::new();
    let published = orders(1..=PRODUCTS, PRODUCTS);
    let before = broker.queue(8).await;
    before.publish(&published).await.unwrap();
    wait_for_depth(&before, 8).await;
    drop(before);
    let queue = broker.queue(3).await;
    wait_for_backlog(&queue, |it| (it.waiting, it.surplus) == (8, 5)).await;
    // One of these queues is deleted manually: the queues after it are still found.
    broker.delete_queue("orders.4").await;
    wait_for_backlog(&queue, |backlog| backlog.surplus == 4).await;

    let mut consumer = broker.consumer(3);
    let mut taken = Vec::new();
    while taken.len() < 7 {
        let batch = timeout(TEST_TIMEOUT, consumer.next_batch(1_000)).await;
        let batch = batch.unwrap().unwrap();
        acknowledge(&mut consumer, &batch).await;
        taken.extend(batch);
    }
    wait_for_backlog(&queue, |backlog| backlog.waiting == 0).await;
    assert_eq!(queue.backlog().await.unwrap().surplus, 0);
}
