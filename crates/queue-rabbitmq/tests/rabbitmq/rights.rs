//! Users of the broker with few rights, and a broker with limits.

use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::{RabbitOptions, RabbitOrderQueue};
use tokio::time::Instant;

use crate::broker::{Broker, PATIENCE, acknowledge, ids, orders, take, until_depth};

/// Why a publisher does not come up.
async fn reason(options: RabbitOptions) -> String {
    let queue = RabbitOrderQueue::start(options);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match queue.publish(&orders([1], 1)).await {
            Err(QueueError::Unavailable(reason)) if reason != "connecting" => return reason,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_user_without_configure_works_on_what_is_declared() {
    let broker = Broker::new();
    drop(broker.queue(2).await);
    broker.let_not_configure();
    let queue = broker.queue(2).await;
    let mut consumer = broker.consumer(2);
    queue.publish(&orders(1..=8, 8)).await.unwrap();
    let taken = take(&mut consumer, 8).await;
    assert_eq!(ids(&taken), (1..=8).collect::<Vec<_>>());
    acknowledge(&mut consumer, &taken).await;
    until_depth(&queue, 0).await;
}

#[tokio::test]
async fn a_user_without_configure_learns_what_is_missing() {
    let broker = Broker::new();
    drop(broker.queue(1).await);
    broker.let_not_configure();
    let reason = reason(broker.options(2)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.1: ACCESS_REFUSED"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_limit_on_queues_is_not_taken_for_other_arguments() {
    let broker = Broker::new();
    broker.limit_queues(3);
    let reason = reason(broker.options(8)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.2: PRECONDITION_FAILED"),
        "{reason}"
    );
    assert!(reason.contains("limit"), "{reason}");
}
