//! Tests which messages are moved to `orders.dead`, that other messages are not affected, and what an operator can do.

use amiquip::{AmqpProperties, Publish};
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError};
use queue_rabbitmq::{DeadMessage, DeadMessages, Disposition};

use crate::broker::{
    Broker, TEST_TIMEOUT, acknowledge, ids, orders, take, wait_for_backlog, wait_for_depth,
};

async fn publish_raw(broker: &Broker, body: &'static [u8]) {
    broker
        .with_channel(move |channel| {
            let properties = AmqpProperties::default()
                .with_content_type("text/odd".to_owned())
                .with_message_id("theirs".to_owned());
            let publish = Publish::with_properties(body, "0".to_owned(), properties);
            channel.basic_publish("orders", publish).unwrap();
        })
        .await;
}

/// Reads the dead messages, and removes those for which `remove` returns true.
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

async fn wait_for_dead(queue: &impl OrderQueue, dead: u64) {
    wait_for_backlog(queue, |backlog| backlog.dead == dead).await;
}

/// Publishes undecodable messages and waits until they are dead-lettered.
async fn publish_bad(broker: &Broker, queue: &impl OrderQueue, bad: &[&'static [u8]]) {
    for body in bad {
        publish_raw(broker, body).await;
    }
    wait_for_dead(queue, bad.len() as u64).await;
}

#[tokio::test]
async fn an_undecodable_message_is_dead_lettered_and_other_messages_are_delivered() {
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
    wait_for_dead(&queue, 4).await;

    let seen = visit(&broker, |_| false).await;
    let bodies: Vec<&[u8]> = seen.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, bad);
    let reason = "the message contains no order ids".to_owned();
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
        "reading does not remove messages"
    );

    // The undecodable messages are acknowledged, the others are not: after a change of consumers only those are
    // redelivered.
    acknowledge(&mut consumer, &taken[..2]).await;
    drop(consumer);
    wait_for_depth(&queue, 3).await;
    assert_eq!(ids(&take(&mut broker.consumer(1), 3).await), [3, 4, 5]);
}

#[tokio::test]
async fn a_message_with_unknown_members_is_delivered() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    publish_raw(&broker, b"{\"order_ids\":[8],\"more\":{\"of\":[1]}}").await;
    let taken = take(&mut consumer, 1).await;
    assert_eq!(ids(&taken), [8]);
    acknowledge(&mut consumer, &taken).await;
    wait_for_backlog(&queue, |backlog| *backlog == Backlog::default()).await;
}

#[tokio::test]
async fn an_undecodable_message_is_kept_until_the_missing_dead_letter_queue_exists() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    publish_raw(&broker, b"first").await;
    wait_for_dead(&queue, 1).await;
    broker.delete_queue("orders.dead").await;
    publish_raw(&broker, b"second").await;
    queue.publish(&orders([1], 1)).await.unwrap();
    assert_eq!(ids(&take(&mut consumer, 1).await), [1]);
    // Counting detects that the queue is missing, and the next session declares it.
    wait_for_backlog(&queue, |_| true).await;
    // The broker keeps the message and moves it later: RabbitMQ retries after 3 minutes.
    wait_for_backlog(&queue, |backlog| {
        broker.pending_dead_letters() + backlog.dead == 1
    })
    .await;
}

#[tokio::test]
async fn dead_messages_are_removed_one_by_one() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let _consumer = broker.consumer(1);
    publish_bad(&broker, &queue, &[b"one", b"two", b"three"]).await;
    let seen = visit(&broker, |message| message.body == b"two").await;
    let mut names: Vec<&str> = seen.iter().map(|message| message.id.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3);
    wait_for_dead(&queue, 2).await;
    let left = visit(&broker, |_| false).await;
    assert_eq!(left, [seen[0].clone(), seen[2].clone()]);
}

#[tokio::test]
async fn pruning_removes_the_oldest_dead_messages_down_to_the_given_number() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let _consumer = broker.consumer(1);
    let bad: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
    publish_bad(&broker, &queue, &bad).await;
    assert_eq!(queue.prune_dead_messages(9).await, Ok(0));
    assert_eq!(queue.prune_dead_messages(2).await, Ok(3));
    wait_for_dead(&queue, 2).await;
    let left = visit(&broker, |_| false).await;
    let bodies: Vec<&[u8]> = left.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, bad[3..]);
}

/// Dead letters made by the broker: a message that was delivered 21 times, each time to a consumer that disconnected.
#[tokio::test]
async fn a_message_that_exceeds_the_delivery_limit_keeps_its_orders() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    queue.publish(&orders([5, 6], 1)).await.unwrap();
    broker
        .with_channel(|channel| {
            // The delivery limit is 20, so the 21st return exceeds it. A queue with a single active consumer rejects
            // `basic.get`.
            let consumer = channel
                .basic_consume("orders.0", amiquip::ConsumerOptions::default())
                .unwrap();
            for _ in 0..21 {
                match consumer.receiver().recv_timeout(TEST_TIMEOUT).unwrap() {
                    amiquip::ConsumerMessage::Delivery(delivery) => {
                        consumer.nack(delivery, true).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
    wait_for_dead(&queue, 1).await;
    let seen = visit(&broker, |_| true).await;
    assert_eq!(seen[0].cause, "delivery_limit");
    assert_eq!(seen[0].orders, Ok(vec![OrderId(5), OrderId(6)]));
    wait_for_dead(&queue, 0).await;
}
