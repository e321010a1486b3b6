//! Redelivery after a consumer is dropped.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    QueueUnderTest, assert_all_in_order, ids, mixed_orders, orders, receipts, take,
    take_and_acknowledge,
};

/// Time for a broker to prefetch messages for a consumer that has not requested any yet.
const PREFETCH_TIME: Duration = Duration::from_millis(300);

/// Acknowledged messages are not delivered to the next consumer.
pub async fn acknowledged_messages_are_not_redelivered(under_test: &QueueUnderTest) {
    under_test.publish_one_by_one(&orders(1..=5, "p")).await;
    let mut consumer = under_test.consumer().await;
    let taken = take_and_acknowledge(consumer.as_mut(), 5).await;
    assert_eq!(taken.len(), 5);
    drop(consumer);
    under_test.assert_nothing_left_of("p").await;
}

/// Unacknowledged messages are delivered to the next consumer, unchanged and in their order.
pub async fn unacknowledged_messages_are_redelivered(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=20);
    under_test.publish_one_by_one(&published).await;
    let mut consumer = under_test.consumer().await;
    take(consumer.as_mut(), 20).await;
    drop(consumer);
    let mut next = under_test.consumer().await;
    let again = take_and_acknowledge(next.as_mut(), 20).await;
    assert_all_in_order(&again, &published);
}

/// Acknowledging some deliveries leaves the others unacknowledged.
pub async fn messages_are_acknowledged_one_by_one(under_test: &QueueUnderTest) {
    let published = orders(1..=6, "p");
    under_test.publish_one_by_one(&published).await;
    let mut consumer = under_test.consumer().await;
    let taken = take(consumer.as_mut(), 6).await;
    let (mut acknowledged, mut unacknowledged) = (Vec::new(), Vec::new());
    for (index, message) in taken.into_iter().enumerate() {
        let list = if index % 2 == 1 {
            &mut acknowledged
        } else {
            &mut unacknowledged
        };
        list.push(message);
    }
    acknowledged.reverse();
    consumer
        .acknowledge(&receipts(&acknowledged))
        .await
        .unwrap();
    drop(consumer);
    let mut next = under_test.consumer().await;
    let unacknowledged = ids(&unacknowledged);
    let again = take_and_acknowledge(next.as_mut(), unacknowledged.len()).await;
    assert_eq!(again, unacknowledged);
    drop(next);
    under_test.assert_nothing_left_of("p").await;
}

/// A void receipt is ignored, and the consumer continues to work.
pub async fn acknowledging_twice_is_ignored(under_test: &QueueUnderTest) {
    let mut consumer = under_test.consumer().await;
    under_test.publish(&orders([1], "p")).await;
    let first = receipts(&take(consumer.as_mut(), 1).await);
    let twice = [first.clone(), first.clone()].concat();
    consumer.acknowledge(&twice).await.unwrap();
    consumer.acknowledge(&first).await.unwrap();
    consumer.acknowledge(&[]).await.unwrap();

    let published = orders(2..=4, "p");
    under_test.publish_one_by_one(&published).await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 3).await;
    assert_all_in_order(&arrived, &published);
    consumer.acknowledge(&first).await.unwrap();
    drop(consumer);
    under_test.assert_nothing_left_of("p").await;
}

/// A consumer that is dropped before its first call keeps no message.
pub async fn a_consumer_dropped_before_its_first_call_keeps_no_message(
    under_test: &QueueUnderTest,
) {
    let idle = under_test.consumer().await;
    let published = mixed_orders(1..=20);
    under_test.publish_one_by_one(&published).await;
    sleep(PREFETCH_TIME).await;
    drop(idle);
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 20).await;
    assert_all_in_order(&arrived, &published);
}

/// A receipt of an earlier consumer is void for the next one.
pub async fn receipts_of_another_consumer_are_void(under_test: &QueueUnderTest) {
    let published = orders(1..=3, "p");
    under_test.publish_one_by_one(&published).await;
    let mut first = under_test.consumer().await;
    let old = receipts(&take(first.as_mut(), 3).await);
    drop(first);
    let mut second = under_test.consumer().await;
    take(second.as_mut(), 3).await;
    second.acknowledge(&old).await.unwrap();
    drop(second);
    let mut third = under_test.consumer().await;
    let again = take_and_acknowledge(third.as_mut(), 3).await;
    assert_all_in_order(&again, &published);
}
