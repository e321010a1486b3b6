//! What ends up in `orders.dead`, what that does to its neighbours, and what a person can do about it.

use amiquip::{AmqpProperties, Publish, QueueDeleteOptions};
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError};
use queue_rabbitmq::{DeadMessage, DeadMessages, Disposition};

use crate::broker::{Broker, PATIENCE, acknowledge, ids, orders, take, until_backlog, until_depth};

async fn publish_raw(broker: &Broker, body: &'static [u8]) {
    broker
        .behind_its_back(move |channel| {
            let properties = AmqpProperties::default()
                .with_content_type("text/odd".to_owned())
                .with_message_id("theirs".to_owned());
            channel
                .basic_publish(
                    "orders",
                    Publish::with_properties(body, "0".to_owned(), properties),
                )
                .unwrap();
        })
        .await;
}

/// Looks at the dead messages, and removes those for which `remove` says so.
async fn visit(
    broker: &Broker,
    remove: impl Fn(&DeadMessage) -> bool + Send + 'static,
) -> Vec<DeadMessage> {
    let options = broker.options(1);
    tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        DeadMessages::open(&options)
            .unwrap()
            .visit(|message| -> Result<Disposition, QueueError> {
                seen.push(message.clone());
                Ok(if remove(message) {
                    Disposition::Remove
                } else {
                    Disposition::Keep
                })
            })
            .unwrap();
        seen
    })
    .await
    .unwrap()
}

async fn until_dead(queue: &impl OrderQueue, dead: u64) {
    until_backlog(queue, |backlog| backlog.dead == dead).await;
}

#[tokio::test]
async fn an_unreadable_message_is_dead_lettered_and_its_neighbours_are_delivered() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    let bad: [&[u8]; 4] = [
        b"{\"order_ids\":[",
        b"{\"order_ids\":[]}",
        b"{\"order_ids\":[7,-7]}",
        b"\x1b",
    ];
    queue.publish(&orders([1], 1)).await.unwrap();
    for (body, id) in bad.into_iter().zip(2..) {
        publish_raw(&broker, body).await;
        queue.publish(&orders([id], 1)).await.unwrap();
    }
    let taken = take(&mut consumer, 5).await;
    assert_eq!(ids(&taken), [1, 2, 3, 4, 5]);
    until_dead(&queue, 4).await;

    let seen = visit(&broker, |_| false).await;
    let bodies: Vec<&[u8]> = seen.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, bad);
    let reason = "the message holds no order ids".to_owned();
    assert_eq!(seen[1].orders, Err(reason));
    for message in &seen {
        assert_eq!(message.queue.as_deref(), Some("orders.0"));
        assert_eq!(message.cause, "rejected");
        assert!(message.died_at.is_some());
        let why = message.orders.as_ref().unwrap_err();
        assert!(!why.contains(char::is_control), "{why}");
    }
    assert_eq!(
        visit(&broker, |_| false).await,
        seen,
        "nothing is taken away"
    );

    // The unreadable ones are settled, the neighbours are not: after a change of consumers only those come again.
    acknowledge(&mut consumer, &taken[..2]).await;
    drop(consumer);
    until_depth(&queue, 3).await;
    assert_eq!(ids(&take(&mut broker.consumer(1), 3).await), [3, 4, 5]);
}

#[tokio::test]
async fn a_message_of_a_newer_version_is_delivered() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    publish_raw(&broker, b"{\"order_ids\":[8],\"more\":{\"of\":[1]}}").await;
    let taken = take(&mut consumer, 1).await;
    assert_eq!(ids(&taken), [8]);
    acknowledge(&mut consumer, &taken).await;
    until_backlog(&queue, |backlog| *backlog == Backlog::default()).await;
}

#[tokio::test]
async fn an_unreadable_message_waits_for_a_dead_letter_queue_that_is_missing() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    publish_raw(&broker, b"first").await;
    until_dead(&queue, 1).await;
    broker
        .behind_its_back(|channel| {
            channel
                .queue_delete("orders.dead", QueueDeleteOptions::default())
                .unwrap();
        })
        .await;
    publish_raw(&broker, b"second").await;
    queue.publish(&orders([1], 1)).await.unwrap();
    assert_eq!(ids(&take(&mut consumer, 1).await), [1]);
    // A count finds that the queue is missing, and the next session declares it.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while queue.backlog().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The broker keeps the message, and moves it at its own pace: RabbitMQ tries again after 3 minutes.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while broker.waiting_to_be_dead() + queue.backlog().await.unwrap().dead != 1 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn dead_messages_are_removed_one_by_one() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let _consumer = broker.consumer(1);
    let bad: [&[u8]; 3] = [b"one", b"two", b"three"];
    for body in bad {
        publish_raw(&broker, body).await;
    }
    until_dead(&queue, 3).await;
    let seen = visit(&broker, |message| message.body == b"two").await;
    let mut names: Vec<&str> = seen.iter().map(|message| message.id.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3);
    until_dead(&queue, 2).await;
    let left = visit(&broker, |_| false).await;
    assert_eq!(left, [seen[0].clone(), seen[2].clone()]);
}

#[tokio::test]
async fn the_oldest_dead_messages_are_pruned_and_no_more_than_asked_for() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let _consumer = broker.consumer(1);
    let bad: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
    for body in bad {
        publish_raw(&broker, body).await;
    }
    until_dead(&queue, 5).await;
    assert_eq!(queue.prune_dead_messages(9).await, Ok(0));
    assert_eq!(queue.prune_dead_messages(2).await, Ok(3));
    until_dead(&queue, 2).await;
    let left = visit(&broker, |_| false).await;
    let bodies: Vec<&[u8]> = left.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, bad[3..]);
}

/// The broker's own dead letters: a message that was delivered 21 times, each time to a consumer that went away.
#[tokio::test]
async fn a_message_that_was_delivered_too_many_times_keeps_its_orders() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    queue.publish(&orders([5, 6], 1)).await.unwrap();
    broker
        .behind_its_back(|channel| {
            // The delivery limit is 20: the 21st return is one too many. A queue with a single active consumer refuses
            // to be polled.
            let consumer = channel
                .basic_consume("orders.0", amiquip::ConsumerOptions::default())
                .unwrap();
            for _ in 0..21 {
                match consumer.receiver().recv_timeout(PATIENCE).unwrap() {
                    amiquip::ConsumerMessage::Delivery(delivery) => {
                        consumer.nack(delivery, true).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
    until_dead(&queue, 1).await;
    let seen = visit(&broker, |_| true).await;
    assert_eq!(seen[0].cause, "delivery_limit");
    assert_eq!(seen[0].orders, Ok(vec![OrderId(5), OrderId(6)]));
    until_dead(&queue, 0).await;
}
