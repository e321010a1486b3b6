//! Tests users with few permissions, and a broker with limits.

use domain::ports::OrderQueue;

use crate::broker::{Broker, acknowledge, connect_error, ids, orders, take, wait_for_depth};

#[tokio::test]
async fn a_user_without_the_configure_permission_can_use_a_declared_topology() {
    let broker = Broker::new();
    drop(broker.queue(2).await);
    broker.restrict("^$", ".*");
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
    broker.restrict("^$", ".*");
    let reason = connect_error(broker.options(2)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.1: ACCESS_REFUSED"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_queue_limit_is_not_reported_as_other_arguments() {
    let broker = Broker::new();
    broker.limit_queues(3);
    let reason = connect_error(broker.options(8)).await;
    assert!(
        reason.starts_with("the broker refused to declare orders.2: PRECONDITION_FAILED"),
        "{reason}"
    );
    assert!(reason.contains("limit"), "{reason}");
}
