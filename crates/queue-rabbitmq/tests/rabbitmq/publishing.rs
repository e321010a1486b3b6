//! What counts as taken, and what is wrong with the broker's end.

use amiquip::{FieldTable, QueueDeclareOptions, QueueDeleteOptions};
use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::RabbitOrderQueue;
use std::time::{Duration, Instant};

use crate::broker::{Broker, PATIENCE, ids, orders, take, until_depth, until_up};

#[tokio::test]
async fn a_large_call_is_packed_confirmed_and_counted() {
    let broker = Broker::new();
    let queue = broker.queue(2).await;
    let all: Vec<i64> = (1..=5000).collect();
    let mut confirmed = queue.publish(&orders(all.clone(), 40)).await.unwrap();
    confirmed.sort_unstable();
    assert_eq!(confirmed.iter().map(|id| id.0).collect::<Vec<_>>(), all);
    let depth = queue.depth().await.unwrap();
    assert!((5..=6).contains(&depth), "{depth} messages of up to 1,024");
    let mut consumer = broker.consumer(2);
    assert_eq!(ids(&take(&mut consumer, 5000).await), all);
    until_depth(&queue, 0).await;
}

#[tokio::test]
async fn what_no_queue_took_is_not_confirmed_and_the_queue_is_made_again() {
    for unbind_only in [true, false] {
        let broker = Broker::new();
        let queue = broker.queue(2).await;
        broker
            .behind_its_back(move |channel| {
                if unbind_only {
                    channel
                        .queue_unbind("orders.1", "orders", "1", FieldTable::new())
                        .unwrap();
                } else {
                    channel
                        .queue_delete("orders.1", QueueDeleteOptions::default())
                        .unwrap();
                }
            })
            .await;
        let batch = orders(1..=40, 20);
        let confirmed = queue.publish(&batch).await.unwrap();
        assert!(!confirmed.is_empty(), "orders.0 is there");
        assert!(confirmed.len() < 40, "orders.1 is not");
        until_up(&queue).await;
        let left: Vec<_> = batch
            .into_iter()
            .filter(|order| !confirmed.contains(&order.order_id))
            .collect();
        // The broker is free to be a moment late with the new session.
        let deadline = Instant::now() + PATIENCE;
        let again = loop {
            match queue.publish(&left).await {
                Ok(ids) if ids.len() == left.len() => break ids,
                other => assert!(Instant::now() < deadline, "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let mut all: Vec<i64> = confirmed.iter().chain(&again).map(|id| id.0).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=40).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named() {
    let broker = Broker::new();
    broker
        .behind_its_back(|channel| {
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            channel.queue_declare("orders.0", options).unwrap();
        })
        .await;
    let queue = RabbitOrderQueue::start(broker.options(2));
    let deadline = Instant::now() + PATIENCE;
    let reason = loop {
        match queue.publish(&orders([1], 1)).await {
            Err(QueueError::Unavailable(reason)) if reason != "connecting" => break reason,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    };
    assert!(
        reason.starts_with("orders.0 exists on the broker with other arguments"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_refused_login_is_told_without_the_password() {
    let broker = Broker::new();
    let mut options = broker.options(1);
    options.password = "hunter2".to_owned();
    let queue = RabbitOrderQueue::start(options);
    let deadline = Instant::now() + PATIENCE;
    let reason = loop {
        match queue.probe().await {
            Err(QueueError::Unavailable(reason)) if reason != "connecting" => break reason,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(reason.contains("log in"), "{reason}");
    assert!(!reason.contains("hunter2"), "{reason}");
}
