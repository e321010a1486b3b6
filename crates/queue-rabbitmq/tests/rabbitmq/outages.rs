//! Tests a broker that is down, frozen or low on memory: every call returns in time, with the reason.

use std::time::{Duration, Instant};

use domain::ports::{OrderQueue, QueueError};
use queue_rabbitmq::{RabbitOptions, RabbitOrderQueue};

use crate::broker::{Broker, connected, eventually, orders, wait_until_up};
use crate::proxy::Proxy;

/// Publishes one order, and returns the error and how long the call took.
async fn refusal(queue: &RabbitOrderQueue) -> (String, Duration) {
    let start = Instant::now();
    match queue.publish(&orders([1], 1)).await {
        Err(QueueError::Unavailable(reason)) => (reason, start.elapsed()),
        other => panic!("{other:?}"),
    }
}

/// A confirm timeout long enough that a call which returns earlier was not ended by it, even on a busy machine.
const LONG: Duration = Duration::from_mins(1);

/// Starts a publisher behind a proxy, and waits until it is connected.
async fn behind_proxy(broker: &Broker, confirm_timeout: Duration) -> (Proxy, RabbitOrderQueue) {
    let options = broker.options(1);
    let proxy = Proxy::start(&options);
    let options = RabbitOptions {
        confirm_timeout,
        heartbeat: options.heartbeat.max(confirm_timeout),
        ..proxy.options(options)
    };
    (proxy, connected(options).await)
}

/// Waits until the publisher is connected, and publishes an order.
async fn recovers(queue: &RabbitOrderQueue) {
    wait_until_up(queue).await;
    assert_eq!(queue.publish(&orders([2], 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn publishing_fails_fast_while_the_broker_is_down_and_succeeds_after_it_returns() {
    let broker = Broker::new();
    let (proxy, queue) = behind_proxy(&broker, LONG).await;
    proxy.cut();
    // Waits for the first attempt to fail; from then on calls do not wait for a connection.
    eventually(async || match queue.probe().await {
        Err(QueueError::Unavailable(reason)) if reason != "connecting" => Ok(()),
        other => Err(other),
    })
    .await;
    let (reason, took) = refusal(&queue).await;
    assert!(took < LONG / 2, "{took:?}: {reason}");
    assert!(queue.probe().await.is_err());
    assert!(queue.depth().await.is_err());
    proxy.restore();
    recovers(&queue).await;
}

#[tokio::test]
async fn publishing_to_a_frozen_broker_fails_after_the_confirm_timeout() {
    let broker = Broker::new();
    let (proxy, queue) = behind_proxy(&broker, Duration::from_millis(1500)).await;
    proxy.freeze();
    let (reason, took) = refusal(&queue).await;
    assert!(reason.contains("did not confirm"), "{reason}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let start = Instant::now();
    assert!(queue.depth().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(20));
    proxy.thaw();
    recovers(&queue).await;
}

#[tokio::test]
async fn a_call_that_blocks_while_sending_ends_in_time() {
    let broker = Broker::new();
    let (proxy, queue) = behind_proxy(&broker, Duration::from_millis(1500)).await;
    // About 20 MB, more than all buffers on the way hold.
    let flood = orders(i64::MAX - 1_000_000..i64::MAX, 1);
    proxy.freeze();
    let start = Instant::now();
    let error = queue.publish(&flood).await.unwrap_err();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    // The thread sent a reply; the caller did not just time out.
    let timed_out = QueueError::Unavailable("the broker does not respond".to_owned());
    assert_ne!(error, timed_out);
    proxy.thaw();
    recovers(&queue).await;
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
    let (proxy, queue) = behind_proxy(&broker, LONG).await;
    proxy.forge(&connection_blocked("low on memory"));
    eventually(async || match queue.probe().await {
        Err(_) => Ok(()),
        up => Err(up),
    })
    .await;
    let (reason, took) = refusal(&queue).await;
    assert!(reason.contains("low on memory"), "{reason}");
    assert!(took < LONG / 2, "{took:?}");
    assert!(queue.depth().await.is_err());
    proxy.forge(&connection_unblocked());
    recovers(&queue).await;
    // Failed messages are not sent later.
    assert_eq!(queue.depth().await.unwrap(), 1);
}

#[tokio::test]
async fn a_blocked_connection_is_closed_without_waiting_for_the_close_handshake() {
    let broker = Broker::new();
    let (proxy, queue) = behind_proxy(&broker, LONG).await;
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
    let is_known = reason.contains("cannot connect") || reason == "connecting";
    assert!(is_known, "{reason}");
}
