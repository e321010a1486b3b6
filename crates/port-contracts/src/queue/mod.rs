//! Contracts of an order queue and its consumers.

pub mod batches;
pub mod delivery;
mod list;
pub mod redelivery;

use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::OrderId;
use domain::ports::{OrderConsumer, OrderQueue, QueuedMessage, QueuedOrder, Receipt};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use crate::builders::product;

/// Timeout of a delivery: long enough to connect, and for a broker to notice that a consumer is gone.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Limit of a batch, below any limit on unacknowledged messages.
const LIMIT: usize = 100;

/// Creates a consumer with its own connection.
pub type MakeConsumer = Box<dyn Fn() -> BoxFuture<'static, Box<dyn OrderConsumer>> + Send + Sync>;

/// An empty queue.
///
/// The queue may have several shards, each with one active consumer at a time. A dropped consumer may return its
/// unacknowledged messages with a delay, and another consumer may receive nothing until then.
pub struct QueueUnderTest {
    /// The publishing side of the queue.
    pub queue: Arc<dyn OrderQueue>,
    /// Creates consumers. Several may exist at a time; each consumes from the whole queue, together with the others.
    pub make_consumer: MakeConsumer,
}

impl QueueUnderTest {
    async fn consumer(&self) -> Box<dyn OrderConsumer> {
        (self.make_consumer)().await
    }

    /// Publishes orders, all of which must be confirmed.
    async fn publish(&self, orders: &[QueuedOrder]) {
        let mut confirmed = self.queue.publish(orders).await.unwrap();
        confirmed.sort_unstable();
        let mut expected: Vec<OrderId> = orders.iter().map(|order| order.order_id).collect();
        expected.sort_unstable();
        assert_eq!(confirmed, expected);
    }

    /// Publishes each order in its own message.
    async fn publish_one_by_one(&self, orders: &[QueuedOrder]) {
        for order in orders {
            self.publish(std::slice::from_ref(order)).await;
        }
    }

    /// Asserts that the queue has no message of the product: an older message would be delivered before the marker, which is
    /// published now.
    async fn assert_nothing_left_of(&self, product_id: &str) {
        const MARKER: i64 = 9_000_000;
        let mut consumer = self.consumer().await;
        self.publish(&orders([MARKER], product_id)).await;
        let seen = take(consumer.as_mut(), 1).await;
        assert_eq!(ids(&seen), [OrderId(MARKER)]);
        consumer.acknowledge(&receipts(&seen)).await.unwrap();
    }
}

fn orders(ids: impl IntoIterator<Item = i64>, product_id: &str) -> Vec<QueuedOrder> {
    ids.into_iter()
        .map(|id| QueuedOrder::new(OrderId(id), product(product_id)))
        .collect()
}

/// Returns orders of five products in rotation.
fn mixed_orders(ids: impl IntoIterator<Item = i64>) -> Vec<QueuedOrder> {
    ids.into_iter()
        .flat_map(|id| orders([id], &format!("p{}", id % 5)))
        .collect()
}

fn ids(messages: &[QueuedMessage]) -> Vec<OrderId> {
    messages
        .iter()
        .flat_map(|message| message.order_ids.clone())
        .collect()
}

fn receipts(messages: &[QueuedMessage]) -> Vec<Receipt> {
    messages.iter().map(|message| message.receipt).collect()
}

/// Receives messages until `count` orders have arrived, without acknowledging them.
async fn take(consumer: &mut dyn OrderConsumer, count: usize) -> Vec<QueuedMessage> {
    let deadline = Instant::now() + TIMEOUT;
    let mut taken: Vec<QueuedMessage> = Vec::new();
    while ids(&taken).len() < count {
        let batch = timeout_at(deadline, consumer.next_batch(LIMIT))
            .await
            .unwrap_or_else(|_| panic!("expected {count} orders, received {:?}", ids(&taken)));
        taken.extend(batch.unwrap());
    }
    taken
}

/// Receives messages until `count` orders have arrived, and acknowledges each batch.
async fn take_and_acknowledge(consumer: &mut dyn OrderConsumer, count: usize) -> Vec<OrderId> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = take(consumer, 1).await;
        consumer.acknowledge(&receipts(&batch)).await.unwrap();
        taken.extend(ids(&batch));
    }
    taken
}

/// Asserts that every order arrived once, and those of one product in the order in which they were published.
fn assert_all_in_order(arrived: &[OrderId], published: &[QueuedOrder]) {
    let mut sorted = arrived.to_vec();
    sorted.sort_unstable();
    let mut expected: Vec<OrderId> = published.iter().map(|order| order.order_id).collect();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let product_of = |id: &OrderId| {
        let order = published.iter().find(|order| order.order_id == *id);
        order.unwrap().product_id.clone()
    };
    let products: Vec<_> = arrived.iter().map(product_of).collect();
    for product_id in &products {
        let of_product = |order: &&QueuedOrder| order.product_id == *product_id;
        let expected = published.iter().filter(of_product);
        let expected: Vec<OrderId> = expected.map(|order| order.order_id).collect();
        let received: Vec<OrderId> = arrived
            .iter()
            .zip(&products)
            .filter(|(_, of)| *of == product_id)
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(received, expected, "product {product_id}");
    }
}
