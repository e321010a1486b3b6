//! Tests users with few permissions, and a broker with limits.

use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::{RabbitOptions, RabbitOrderQueue};
use tokio::time::Instant;

use crate::broker::{Broker, TEST_TIMEOUT, acknowledge, ids, orders, take, wait_for_depth};

/// Returns the reason why a publisher does not connect.
async fn reason(options: RabbitOptions) -> String {
    let queue = RabbitOrderQueue::start(options);
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        match queue.publish(&orders([1], 1)).await {
            Err(QueueError::Unavailable(reason)) if reason != "connecting" => return reason,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_user_without_the_configure_permission_can_use_a_declared_topology() {
    let broker = Broker::new();
    drop(broker.queue(2).await);
    broker.revoke_configure();
    let queue = broker.queue(2).await;
    let mut consumer = broker.consumer(2);
    queue.publish(&orders(1..=8, 8)).await.unwrap();
    let taken = take(&mut consumer, 8).await;
    assert_eq!(ids(&taken), (1..=8).collect::<Vec<_>>());
    acknowledge(&mut consumer, &taken).await;
    wait_for_depth(&queue, 0).await;
}

#[tokio::test]
async fn a_user_without_the_configure_permission_gets_an_error_that_names_the_missing_queue() {
    let broker = Broker::new();
    drop(broker.queue(1).await);
    broker.revoke_configure();
    let reason = reason(broker.options(2)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.1: ACCESS_REFUSED"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_queue_limit_is_not_reported_as_other_arguments() {
    let broker = Broker::new();
    broker.limit_queues(3);
    let reason = reason(broker.options(8)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.2: PRECONDITION_FAILED"),
        "{reason}"
    );
    assert!(reason.contains("limit"), "{reason}");
}
