//! Tests a broker that is down, frozen or low on memory: every call returns in time, with the reason.

use std::time::{Duration, Instant};

use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::{RabbitOptions, RabbitOrderQueue};

use crate::broker::{Broker, connected, orders, wait_until_up};
use crate::proxy::Proxy;

/// Publishes one order, and returns the error and how long the call took.
async fn refusal(queue: &RabbitOrderQueue) -> (String, Duration) {
    let start = Instant::now();
    match queue.publish(&orders([1], 1)).await {
        Err(QueueError::Unavailable(reason)) => (reason, start.elapsed()),
        other => panic!("{other:?}"),
    }
}

/// Timeouts long enough that a call which returns earlier was not ended by the confirm timeout, even on a busy machine.
fn with_long_timeouts(options: RabbitOptions) -> RabbitOptions {
    RabbitOptions {
        confirm_timeout: Duration::from_mins(1),
        heartbeat: Duration::from_mins(1),
        ..options
    }
}

fn with_short_timeouts(options: RabbitOptions) -> RabbitOptions {
    RabbitOptions {
        confirm_timeout: Duration::from_millis(1500),
        ..options
    }
}

#[tokio::test]
async fn publishing_fails_fast_while_the_broker_is_down_and_succeeds_after_it_returns() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(proxy.options(broker.options(1))).await;
    proxy.cut();
    // Waits for the first attempt to fail; from then on calls do not wait for a connection.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (reason, took) = refusal(&queue).await;
    assert!(took < Duration::from_secs(3), "{took:?}: {reason}");
    assert!(queue.probe().await.is_err());
    assert!(queue.depth().await.is_err());
    proxy.restore();
    wait_until_up(&queue).await;
    assert_eq!(queue.publish(&orders([1], 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn publishing_to_a_frozen_broker_fails_after_the_confirm_timeout() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(with_short_timeouts(proxy.options(broker.options(1)))).await;
    proxy.freeze();
    let (reason, took) = refusal(&queue).await;
    assert!(reason.contains("did not confirm"), "{reason}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let start = Instant::now();
    assert!(queue.depth().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(20));
    proxy.thaw();
    wait_until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_blocks_while_sending_ends_in_time() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(with_short_timeouts(proxy.options(broker.options(1)))).await;
    // About 20 MB, more than all buffers on the way hold.
    let flood = orders(i64::MAX - 1_000_000..i64::MAX, 1);
    proxy.freeze();
    let start = Instant::now();
    let error = queue.publish(&flood).await.unwrap_err();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    // The thread sent a reply; the caller did not just time out.
    assert_ne!(
        error,
        QueueError::Unavailable("the broker does not respond".to_owned())
    );
    proxy.thaw();
    wait_until_up(&queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
}

/// A method frame on channel 0 that blocks publishers, as sent by a broker that is low on memory.
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
async fn publishing_fails_fast_while_the_broker_is_low_on_memory() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(with_long_timeouts(proxy.options(broker.options(1)))).await;
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
    wait_until_up(&queue).await;
    assert_eq!(queue.publish(&orders([1], 1)).await.unwrap().len(), 1);
    assert_eq!(
        queue.depth().await.unwrap(),
        1,
        "failed messages are not sent later"
    );
}

#[tokio::test]
async fn a_blocked_connection_is_closed_without_waiting_for_the_close_handshake() {
    let broker = Broker::new();
    let proxy = Proxy::start(&broker.options(1));
    let queue = connected(with_long_timeouts(proxy.options(broker.options(1)))).await;
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
    wait_until_up(&queue).await;
}

#[tokio::test]
async fn publishing_to_an_unreachable_broker_reports_the_reason() {
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
