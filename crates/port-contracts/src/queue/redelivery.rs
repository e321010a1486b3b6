//! What comes again and what does not, when a consumer goes.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    QueueUnderTest, assert_all_in_order, ids, mixed_orders, orders, receipts, take,
    take_and_acknowledge,
};

/// Long enough for messages to be on their way to a consumer that did not ask for them yet.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

/// What was acknowledged does not come to the next consumer.
pub async fn acknowledged_messages_do_not_come_again(under_test: &QueueUnderTest) {
    under_test.publish_one_by_one(&orders(1..=5, "p")).await;
    let mut consumer = under_test.consumer().await;
    let taken = take_and_acknowledge(consumer.as_mut(), 5).await;
    assert_eq!(taken.len(), 5);
    drop(consumer);
    under_test.assert_nothing_left_of("p").await;
}

/// What was not acknowledged comes to the next consumer, as it was and in its order.
pub async fn unacknowledged_messages_come_again(under_test: &QueueUnderTest) {
    let published = mixed_orders(1..=20);
    under_test.publish_one_by_one(&published).await;
    let mut consumer = under_test.consumer().await;
    take(consumer.as_mut(), 20).await;
    drop(consumer);
    let mut next = under_test.consumer().await;
    let again = take_and_acknowledge(next.as_mut(), 20).await;
    assert_all_in_order(&again, &published);
}

/// Each delivery stands for itself: acknowledging some leaves the others.
pub async fn messages_are_acknowledged_one_by_one(under_test: &QueueUnderTest) {
    let published = orders(1..=6, "p");
    under_test.publish_one_by_one(&published).await;
    let mut consumer = under_test.consumer().await;
    let taken = take(consumer.as_mut(), 6).await;
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for (index, message) in taken.into_iter().enumerate() {
        let list = if index % 2 == 1 { &mut done } else { &mut open };
        list.push(message);
    }
    done.reverse();
    consumer.acknowledge(&receipts(&done)).await.unwrap();
    drop(consumer);
    let mut next = under_test.consumer().await;
    let open = ids(&open);
    let again = take_and_acknowledge(next.as_mut(), open.len()).await;
    assert_eq!(again, open);
    drop(next);
    under_test.assert_nothing_left_of("p").await;
}

/// A receipt that is void is ignored: the consumer works on.
pub async fn acknowledging_twice_does_no_harm(under_test: &QueueUnderTest) {
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

/// A consumer that goes without ever having asked keeps nothing.
pub async fn a_consumer_that_never_asked_keeps_nothing(under_test: &QueueUnderTest) {
    let idle = under_test.consumer().await;
    let published = mixed_orders(1..=20);
    under_test.publish_one_by_one(&published).await;
    sleep(ON_ITS_WAY).await;
    drop(idle);
    let mut consumer = under_test.consumer().await;
    let arrived = take_and_acknowledge(consumer.as_mut(), 20).await;
    assert_all_in_order(&arrived, &published);
}

/// A receipt of a consumer that has gone is void at the next one.
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
