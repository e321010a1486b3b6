//! Tests which messages count as published, and errors of the broker's configuration.

use amiquip::{FieldTable, QueueDeclareOptions};
use domain::ports::OrderQueue;

use crate::broker::{
    Broker, connect_error, eventually, ids, orders, take, wait_for_depth, wait_until_up,
};

#[tokio::test]
async fn a_large_publish_is_packed_confirmed_and_counted() {
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
    wait_for_depth(&queue, 0).await;
}

#[tokio::test]
async fn unroutable_messages_are_not_confirmed_and_the_binding_is_declared_again() {
    for unbind_only in [true, false] {
        let broker = Broker::new();
        let queue = broker.queue(2).await;
        if unbind_only {
            broker
                .with_channel(|channel| {
                    let unbound =
                        channel.queue_unbind("orders.1", "orders", "1", FieldTable::new());
                    unbound.unwrap();
                })
                .await;
        } else {
            broker.delete_queue("orders.1").await;
        }
        let batch = orders(1..=40, 20);
        let confirmed = queue.publish(&batch).await.unwrap();
        assert!(!confirmed.is_empty(), "orders.0 is bound");
        assert!(confirmed.len() < 40, "orders.1 is not bound");
        wait_until_up(&queue).await;
        let left: Vec<_> = batch
            .into_iter()
            .filter(|order| !confirmed.contains(&order.order_id))
            .collect();
        // The broker may take some time to accept the new session.
        let again = eventually(async || match queue.publish(&left).await {
            Ok(ids) if ids.len() == left.len() => Ok(ids),
            other => Err(other),
        })
        .await;
        let mut all: Vec<i64> = confirmed.iter().chain(&again).map(|id| id.0).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=40).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_in_the_error() {
    let broker = Broker::new();
    broker
        .with_channel(|channel| {
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            channel.queue_declare("orders.0", options).unwrap();
        })
        .await;
    let reason = connect_error(broker.options(2)).await;
    assert!(
        reason.starts_with("orders.0 exists on the broker with other arguments"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_refused_login_is_reported_without_the_password() {
    let broker = Broker::new();
    let mut options = broker.options(1);
    options.password = "hunter2".to_owned();
    let reason = connect_error(options).await;
    assert!(reason.contains("log in"), "{reason}");
    assert!(!reason.contains("hunter2"), "{reason}");
}
