//! Contracts of an order queue.

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

/// Long enough for a connection to be made, and for a broker to notice that a consumer has gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// Few messages, so that no limit on unacknowledged ones is met.
const LIMIT: usize = 100;

/// Makes a consumer with a connection of its own.
pub type MakeConsumer = Box<dyn Fn() -> BoxFuture<'static, Box<dyn OrderConsumer>> + Send + Sync>;

/// A queue with nothing in it.
///
/// It may be spread over several shards, each with one active consumer at a time; a consumer that is dropped may give
/// back what it held with some delay, and another one may get nothing until then.
pub struct QueueUnderTest {
    /// Publishes.
    pub queue: Arc<dyn OrderQueue>,
    /// Makes consumers. Several may exist at a time; each consumes all of the queue, as far as others leave it anything.
    pub make_consumer: MakeConsumer,
}

impl QueueUnderTest {
    async fn consumer(&self) -> Box<dyn OrderConsumer> {
        (self.make_consumer)().await
    }

    /// Publishes orders, all of which must be taken.
    async fn publish(&self, orders: &[QueuedOrder]) {
        let mut confirmed = self.queue.publish(orders).await.unwrap();
        confirmed.sort_unstable();
        let mut expected: Vec<OrderId> = orders.iter().map(|order| order.order_id).collect();
        expected.sort_unstable();
        assert_eq!(confirmed, expected);
    }

    /// Publishes each order by itself, in a message of its own.
    async fn publish_one_by_one(&self, orders: &[QueuedOrder]) {
        for order in orders {
            self.publish(std::slice::from_ref(order)).await;
        }
    }

    /// Nothing of the product comes to a new consumer but what is published from now on: anything older would come
    /// first.
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
        .map(|id| QueuedOrder {
            order_id: OrderId(id),
            product_id: product(product_id),
        })
        .collect()
}

/// Orders of several products, taking turns.
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

/// Takes messages until `count` orders are there, and acknowledges none.
async fn take(consumer: &mut dyn OrderConsumer, count: usize) -> Vec<QueuedMessage> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken: Vec<QueuedMessage> = Vec::new();
    while ids(&taken).len() < count {
        let batch = timeout_at(deadline, consumer.next_batch(LIMIT))
            .await
            .unwrap_or_else(|_| panic!("of {count} orders came {:?}", ids(&taken)));
        taken.extend(batch.unwrap());
    }
    taken
}

/// Takes messages until `count` orders are there, and acknowledges each batch.
async fn take_and_acknowledge(consumer: &mut dyn OrderConsumer, count: usize) -> Vec<OrderId> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = take(consumer, 1).await;
        consumer.acknowledge(&receipts(&batch)).await.unwrap();
        taken.extend(ids(&batch));
    }
    taken
}

/// Every order came once, and those of one product in the order in which they were published.
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
        let came: Vec<OrderId> = arrived
            .iter()
            .zip(&products)
            .filter(|(_, of)| *of == product_id)
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(came, expected, "of {product_id}");
    }
}
