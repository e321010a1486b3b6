//! What ends up in `orders.dead`, and what that does to its neighbours.

use amiquip::{AmqpProperties, Publish, QueueDeleteOptions};
use domain::identifiers::OrderId;
use domain::ports::OrderQueue;

use crate::broker::{Broker, acknowledge, header, ids, orders, take, until_depth};

async fn publish_raw(broker: &Broker, body: &'static [u8]) {
    broker
        .behind_its_back(move |channel| {
            let properties = AmqpProperties::default()
                .with_content_type("text/odd".to_owned())
                .with_message_id("theirs".to_owned())
                // Would remove the copy within a moment if it were kept.
                .with_expiration("200".to_owned());
            channel
                .basic_publish(
                    "orders",
                    Publish::with_properties(body, "0".to_owned(), properties),
                )
                .unwrap();
        })
        .await;
}

#[tokio::test]
async fn an_unreadable_message_is_put_aside_and_its_neighbours_are_delivered() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    let bad: [&[u8]; 4] = [
        b"{\"order_ids\":[",
        b"{\"order_ids\":[]}",
        b"{\"order_ids\":[7,-7]}",
        b"{\"order_ids\":[7],\"more\":\"\x1b\"}",
    ];
    queue.publish(&orders([1], 1)).await.unwrap();
    for (body, id) in bad.into_iter().zip(2..) {
        publish_raw(&broker, body).await;
        queue.publish(&orders([id], 1)).await.unwrap();
    }
    let taken = take(&mut consumer, 5).await;
    assert_eq!(ids(&taken), [1, 2, 3, 4, 5]);

    let letters = broker.dead_letters(4).await;
    let bodies: Vec<&[u8]> = letters
        .iter()
        .map(|letter| letter.body.as_slice())
        .collect();
    assert_eq!(bodies, bad);
    let reason = header(&letters[1], "x-reason");
    assert_eq!(reason, "the message holds no order ids");
    for letter in &letters {
        assert_eq!(header(letter, "x-original-queue"), "orders.0");
        assert_eq!(header(letter, "x-original-message-id"), "theirs");
        assert_eq!(
            letter.properties.content_type().as_deref(),
            Some("text/odd")
        );
        assert!(!header(letter, "x-reason").contains(char::is_control));
    }

    // The originals are acknowledged, the neighbours are not: after a change of consumers only those come again.
    acknowledge(&mut consumer, &taken[..2]).await;
    drop(consumer);
    until_depth(&queue, 3).await;
    assert_eq!(ids(&take(&mut broker.consumer(1), 3).await), [3, 4, 5]);
}

#[tokio::test]
async fn an_unreadable_message_waits_for_a_dead_letter_queue_that_is_missing() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let mut consumer = broker.consumer(1);
    publish_raw(&broker, b"first").await;
    assert_eq!(broker.dead_letters(1).await[0].body, b"first");
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
    // The copy came back, the publisher connected again and declared the queue, and the copy was sent again.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(broker.dead_letters(1).await[0].body, b"second");
}

#[tokio::test]
async fn orders_are_put_aside_with_a_bounded_reason() {
    let broker = Broker::new();
    let queue = broker.queue(1).await;
    let reason = format!("too\nodd {}", "x".repeat(10_000));
    queue
        .dead_letter(&[OrderId(3), OrderId(4)], &reason)
        .await
        .unwrap();
    let letter = &broker.dead_letters(1).await[0];
    assert_eq!(letter.body, br#"{"order_ids":[3,4]}"#);
    let told = header(letter, "x-reason");
    assert!(told.starts_with("too\\nodd xxx"), "{told}");
    assert!(told.chars().count() < 600);
    assert_eq!(queue.depth().await.unwrap(), 0);
}
