//! A broker that is away, frozen or short of memory: every call answers in time, and says why.

use std::time::{Duration, Instant};

use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::{RabbitOptions, RabbitOrderQueue};

use crate::broker::{Broker, connected, orders, until_up};
use crate::proxy::Proxy;

/// Publishes one order and returns why it failed and how long that took.
async fn refusal(queue: &RabbitOrderQueue) -> (String, Duration) {
    let start = Instant::now();
    match queue.publish(&orders([1], 1)).await {
        Err(QueueError::Unavailable(reason)) => (reason, start.elapsed()),
        other => panic!("{other:?}"),
    }
}

/// So patient that what ends sooner was not ended by the confirm timeout, on however busy a machine.
fn patient(options: RabbitOptions) -> RabbitOptions {
    RabbitOptions {
        confirm_timeout: Duration::from_mins(1),
        heartbeat: Duration::from_mins(1),
        ..options
    }
}

fn quick(options: RabbitOptions) -> RabbitOptions {
    RabbitOptions {
        confirm_timeout: Duration::from_millis(1500),
        ..options
    }
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_at_once_and_found_again() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(proxy.options(broker.options(1))).await;
    proxy.cut();
    // Time for the first attempt to fail; from then on nobody waits for a connection.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (reason, took) = refusal(&queue).await;
    assert!(took < Duration::from_secs(3), "{took:?}: {reason}");
    assert!(queue.probe().await.is_err());
    assert!(queue.depth().await.is_err());
    proxy.restore();
    until_up(&queue).await;
    assert_eq!(queue.publish(&orders([1], 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_frozen_broker_costs_the_confirm_timeout_and_no_more() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(quick(proxy.options(broker.options(1)))).await;
    proxy.freeze();
    let (reason, took) = refusal(&queue).await;
    assert!(reason.contains("did not confirm"), "{reason}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let start = Instant::now();
    assert!(queue.depth().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(20));
    proxy.thaw();
    until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_stuck_in_the_middle_of_sending_ends_in_time() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(quick(proxy.options(broker.options(1)))).await;
    // Some 20 MB, more than every buffer on the way takes.
    let flood = orders(i64::MAX - 1_000_000..i64::MAX, 1);
    proxy.freeze();
    let start = Instant::now();
    let error = queue.publish(&flood).await.unwrap_err();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    // The thread answered, and the caller did not just give up on it.
    assert_ne!(
        error,
        QueueError::Unavailable("the broker does not answer".to_owned())
    );
    proxy.thaw();
    until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
}

/// A method frame on channel 0 that says that publishers are blocked, as a broker short of memory sends it.
fn connection_blocked(reason: &str) -> Vec<u8> {
    let mut arguments = vec![0, 10, 0, 60, u8::try_from(reason.len()).unwrap()];
    arguments.extend(reason.as_bytes());
    frame(&arguments)
}

fn connection_unblocked() -> Vec<u8> {
    frame(&[0, 10, 0, 61])
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame.push(0xce);
    frame
}

#[tokio::test]
async fn a_broker_short_of_memory_is_told_at_once_until_it_recovers() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(patient(proxy.options(broker.options(1)))).await;
    proxy.forge(&connection_blocked("low on memory"));
    let start = Instant::now();
    while queue.probe().await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (reason, took) = refusal(&queue).await;
    assert!(reason.contains("low on memory"), "{reason}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(queue.depth().await.is_err());
    proxy.forge(&connection_unblocked());
    until_up(&queue).await;
    assert_eq!(queue.publish(&orders([1], 1)).await.unwrap().len(), 1);
    assert_eq!(
        queue.depth().await.unwrap(),
        1,
        "what failed was not sent later"
    );
}

#[tokio::test]
async fn a_blocked_connection_is_given_up_without_a_long_goodbye() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(patient(proxy.options(broker.options(1)))).await;
    proxy.freeze();
    let pending = queue.clone();
    let publish = tokio::spawn(async move { pending.publish(&orders([1], 1)).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.forge(&connection_blocked("low on disk"));
    let start = Instant::now();
    let error = publish.await.unwrap().unwrap_err();
    // Well before the confirm timeout.
    assert!(start.elapsed() < Duration::from_secs(15));
    assert!(error.to_string().contains("low on disk"), "{error}");
    proxy.thaw();
    proxy.cut();
    proxy.restore();
    until_up(&queue).await;
}

#[tokio::test]
async fn a_broker_that_was_never_there_is_told() {
    let broker = Broker::new();
    let options = RabbitOptions {
        port: 1,
        ..broker.options(1)
    };
    let queue = RabbitOrderQueue::start(options);
    let start = Instant::now();
    let (reason, _) = refusal(&queue).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(
        reason.contains("cannot connect") || reason == "connecting",
        "{reason}"
    );
    drop(queue);
}
