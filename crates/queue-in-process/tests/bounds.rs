//! Tests the guarantees of the in-process queue beyond the port: capacity, packing, and the order of requeued messages.

use domain::identifiers::OrderId;
use domain::ports::{OrderConsumer, OrderQueue, QueueError, QueuedMessage, QueuedOrder, Receipt};
use port_contracts::builders::product;
use queue_in_process::InProcessQueue;

/// A queue of at most `capacity` messages with two orders each.
fn queue(capacity: usize) -> InProcessQueue {
    InProcessQueue::new(capacity).with_max_orders_per_message(2)
}

fn orders(ids: impl IntoIterator<Item = i64>) -> Vec<QueuedOrder> {
    ids.into_iter()
        .map(|id| QueuedOrder::new(OrderId(id), product("p")))
        .collect()
}

fn ids(ids: impl IntoIterator<Item = i64>) -> Vec<OrderId> {
    ids.into_iter().map(OrderId).collect()
}

fn receipts(messages: &[QueuedMessage]) -> Vec<Receipt> {
    messages.iter().map(|message| message.receipt).collect()
}

fn bodies(messages: &[QueuedMessage]) -> Vec<Vec<OrderId>> {
    messages
        .iter()
        .map(|message| message.order_ids.clone())
        .collect()
}

#[tokio::test]
async fn orders_that_do_not_fit_are_not_confirmed() {
    let queue = queue(3);
    assert_eq!(queue.publish(&orders(1..=4)).await, Ok(ids(1..=4)));
    assert_eq!(queue.probe().await, Ok(()));
    assert_eq!(queue.publish(&orders(5..=8)).await, Ok(ids(5..=6)));
    let refused = queue.publish(&orders(7..=8)).await;
    assert!(matches!(refused, Err(QueueError::Unavailable(_))));
    assert!(queue.probe().await.is_err());
    assert_eq!(queue.publish(&[]).await, Ok(Vec::new()));
    assert_eq!(queue.depth().await, Ok(3));
}

#[tokio::test]
async fn only_an_acknowledgement_frees_capacity() {
    let queue = queue(1);
    queue.publish(&orders(1..=2)).await.unwrap();
    let mut consumer = queue.consumer();
    let taken = consumer.next_batch(10).await.unwrap();
    assert_eq!(queue.depth().await, Ok(0));
    assert!(queue.publish(&orders([3])).await.is_err());
    let receipts = receipts(&taken);
    consumer.acknowledge(&receipts).await.unwrap();
    consumer.acknowledge(&receipts).await.unwrap();
    assert_eq!(queue.publish(&orders([3])).await, Ok(ids([3])));
    assert!(queue.publish(&orders([4])).await.is_err());
}

#[tokio::test]
async fn requeued_messages_keep_their_position() {
    let queue = queue(10);
    queue.publish(&orders(1..=10)).await.unwrap();
    let (mut first, mut second) = (queue.consumer(), queue.consumer());
    let of_first = first.next_batch(4).await.unwrap();
    let of_second = second.next_batch(2).await.unwrap();
    assert_eq!(bodies(&of_first), [ids(1..=2), ids(3..=4)]);
    assert_eq!(bodies(&of_second), [ids(5..=6)]);
    let acknowledged = receipts(&of_first[..1]);
    first.acknowledge(&acknowledged).await.unwrap();
    drop(second);
    drop(first);
    let again = queue.consumer().next_batch(100).await.unwrap();
    let expected = [ids(3..=4), ids(5..=6), ids(7..=8), ids(9..=10)];
    assert_eq!(bodies(&again), expected);
}

#[tokio::test]
async fn a_consumer_is_always_up() {
    let probe = queue(1).consumer().watch();
    assert_eq!(probe.probe(), Ok(()));
}
