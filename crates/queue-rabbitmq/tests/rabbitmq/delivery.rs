//! Tests acknowledgements, failover between consumers, and prefetch limits.

use std::time::Duration;

use domain::ports::OrderQueue;

use crate::broker::{Broker, acknowledge, assert_no_message, ids, orders, take, wait_for_depth};

#[tokio::test]
async fn a_second_consumer_receives_what_the_first_left_unacknowledged() {
    let broker = Broker::new();
    let queue = broker.queue(3).await;
    let mut first = broker.consumer(3);
    queue.publish(&orders([1], 10)).await.unwrap();
    let taken = take(&mut first, 1).await;
    acknowledge(&mut first, &taken).await;

    let mut second = broker.consumer(3);
    queue.publish(&orders(2..=30, 10)).await.unwrap();
    take(&mut first, 29).await;
    // The first consumer is active on all queues.
    assert_no_message(&mut second, 500).await;
    drop(first);
    let taken = take(&mut second, 29).await;
    assert_eq!(ids(&taken), (2..=30).collect::<Vec<_>>());
    acknowledge(&mut second, &taken).await;
    drop(second);
    tokio::time::sleep(Duration::from_secs(1)).await;
    wait_for_depth(&queue, 0).await;
}

#[tokio::test]
async fn exactly_the_acknowledged_messages_are_not_redelivered() {
    let broker = Broker::new();
    let queue = broker.queue(8).await;
    let mut consumer = broker.consumer(8);
    // One message per order, over all queues, so that the tags of several queues interleave.
    for id in 1..=60 {
        queue.publish(&orders([id], 60)).await.unwrap();
    }
    let taken = take(&mut consumer, 60).await;
    let (done, left): (Vec<_>, Vec<_>) = taken
        .into_iter()
        .partition(|message| message.order_ids[0].0 <= 20 || message.order_ids[0].0 % 3 == 0);
    for part in done.chunks(7) {
        acknowledge(&mut consumer, part).await;
    }
    acknowledge(&mut consumer, &done).await;
    drop(consumer);
    let mut next = broker.consumer(8);
    assert_eq!(ids(&take(&mut next, left.len()).await), ids(&left));
    assert_no_message(&mut next, 300).await;
}

#[tokio::test]
async fn a_consumer_holds_at_most_the_prefetch_and_receives_the_rest_later() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut options = broker.options(1);
    options.prefetch = 5;
    let mut consumer = queue_rabbitmq::RabbitOrderConsumer::start(options);
    for id in 1..=12 {
        queue.publish(&orders([id], 1)).await.unwrap();
    }
    let first = take(&mut consumer, 5).await;
    assert_eq!(ids(&first), [1, 2, 3, 4, 5]);
    assert_no_message(&mut consumer, 300).await;
    acknowledge(&mut consumer, &first).await;
    assert_eq!(ids(&take(&mut consumer, 5).await), [6, 7, 8, 9, 10]);
    // Two messages are ready, ten were delivered.
    wait_for_depth(&queue, 2).await;
}
