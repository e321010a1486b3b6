//! `GET /api/v1/events`.

use std::time::{Duration, Instant};

use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use tokio::net::TcpStream;

use crate::client;
use crate::event_client::EventSubscriber;
use crate::fixture::{TestServer, bytes};

pub(crate) const PATH: &str = "/api/v1/events";

/// Time in which an unexpected event would have arrived.
pub(crate) const QUIET_PERIOD: Duration = Duration::from_millis(150);

/// Starts a server with orders 1 to 3 and products a and b.
pub(crate) fn server() -> TestServer {
    let server = TestServer::start();
    for status in [
        OrderStatus::Pending,
        OrderStatus::Confirmed,
        OrderStatus::Rejected,
    ] {
        server.add_order(status);
    }
    server.store.add_stock("a", 5);
    server.store.add_stock("b", 0);
    server
}

/// Changes orders and products as a transaction of another process does.
pub(crate) fn change(server: &TestServer, orders: &[i64], products: &[&str]) {
    let ids: Vec<OrderId> = orders.iter().copied().map(OrderId).collect();
    server.store.log_change(&ids, products);
    server.wake();
}

#[tokio::test]
async fn events_have_the_same_representation_as_the_endpoints() {
    let server = server();
    change(&server, &[1], &["b"]);
    let mut subscriber = EventSubscriber::connect(&server, "").await;
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store\r\n",
        "x-accel-buffering: no\r\n",
    ] {
        assert!(subscriber.head.contains(header), "{}", subscriber.head);
    }
    subscriber.assert_no_event(QUIET_PERIOD).await;
    assert_eq!(subscriber.last_id, "1-0");

    change(&server, &[2, 3], &["a"]);
    for id in [2, 3] {
        let event = subscriber.next().await;
        let shown = server.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!((event.name.as_str(), &event.data), ("order", &shown.json()));
        // The entry is not complete: it has another event.
        assert_eq!(event.last_id, "1-0");
    }
    let event = subscriber.next().await;
    let listed = server.get("/api/v1/stock").await.json();
    assert_eq!(
        (event.name.as_str(), &event.data),
        ("stock", &listed["items"][0])
    );
    assert_eq!(event.last_id, "2-0");

    // Unknown orders and products are skipped, and the offset advances.
    change(&server, &[99], &["unknown"]);
    change(&server, &[1], &[]);
    assert_eq!(subscriber.next_ids(1).await, ["order 1"]);
    assert_eq!(subscriber.last_id, "4-0");
}

#[tokio::test]
async fn resumed_subscriber_misses_no_event() {
    let server = server();
    let mut subscriber = EventSubscriber::connect(&server, "").await;
    change(&server, &[1], &[]);
    change(&server, &[2], &["a"]);
    assert_eq!(subscriber.next_ids(2).await, ["order 1", "order 2"]);
    // The subscriber stopped within the second entry, which is sent again as a whole.
    let last_id = subscriber.last_id.clone();
    assert_eq!(last_id, "1-0");
    drop(subscriber);
    change(&server, &[3], &["b"]);
    change(&server, &[1], &[]);

    let mut subscriber = EventSubscriber::resume(&server, &last_id).await;
    let missed = ["order 2", "stock a", "order 3", "stock b", "order 1"];
    assert_eq!(subscriber.next_ids(5).await, missed);
    change(&server, &[2], &[]);
    assert_eq!(subscriber.next_ids(1).await, ["order 2"]);
    assert_eq!(subscriber.last_id, "5-0");
    subscriber.assert_no_event(QUIET_PERIOD).await;

    // Resume from before the first subscriber and from the newest offset.
    let mut from_start = EventSubscriber::resume(&server, "0-0").await;
    assert_eq!(from_start.next_ids(1).await.len(), 1);
    let mut from_end = EventSubscriber::resume(&server, "5-0").await;
    change(&server, &[3], &[]);
    assert_eq!(from_end.next_ids(1).await, ["order 3"]);
}

/// A resumed subscriber receives each change once and in order, while further changes are made.
#[tokio::test]
async fn catching_up_continues_with_new_events_without_a_gap() {
    let server = TestServer::start();
    for _ in 0..400 {
        server.add_order(OrderStatus::Pending);
    }
    for id in 1..=200 {
        server.store.log_change(&[OrderId(id)], &[]);
    }
    let mut live = EventSubscriber::connect(&server, "").await;
    let mut late = EventSubscriber::resume(&server, "0-0").await;
    for id in 201..=400 {
        change(&server, &[id], &[]);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let orders = |from: i64| (from..=400).map(|id| format!("order {id}"));
    assert!(late.next_ids(400).await.into_iter().eq(orders(1)));
    assert!(live.next_ids(200).await.into_iter().eq(orders(201)));
}

/// With and without other subscribers.
#[tokio::test]
async fn subscriber_outside_the_retained_log_gets_a_reset() {
    for has_other in [false, true] {
        // Pruned offsets, and offsets beyond the end of the log, as after a restore.
        for last_id in ["0-0", "2-0", "4-0", "18446744073709551615-7"] {
            let server = server();
            for id in 1..=3 {
                change(&server, &[id], &[]);
            }
            server.store.prune_changes();
            let mut other = None;
            if has_other {
                other = Some(EventSubscriber::connect(&server, "").await);
            }
            let mut subscriber = EventSubscriber::resume(&server, last_id).await;
            let event = subscriber.next().await;
            assert_eq!(event.name, "reset", "{last_id}");
            assert!(event.data["detail"].as_str().unwrap().contains("reload"));
            assert_eq!(event.last_id, "3-0");
            change(&server, &[1], &["a"]);
            for mut subscriber in other.into_iter().chain([subscriber]) {
                assert_eq!(subscriber.next_ids(2).await, ["order 1", "stock a"]);
                assert_eq!(subscriber.last_id, "4-0");
            }
        }
    }
}

/// A store that was restored to an earlier state assigns offsets again that its subscribers have received: they get a reset
/// and continue from there.
#[tokio::test]
async fn subscribers_of_a_restored_store_get_a_reset() {
    let server = server();
    let mut subscribers = [
        EventSubscriber::connect(&server, "").await,
        EventSubscriber::connect(&server, "").await,
    ];
    for id in 1..=3 {
        change(&server, &[id], &[]);
    }
    for subscriber in &mut subscribers {
        while subscriber.last_id != "3-0" {
            subscriber.next().await;
        }
    }
    server.store.restore_changes(1);
    server.wake();
    for subscriber in &mut subscribers {
        let event = subscriber.next().await;
        assert_eq!((&*event.name, &*event.last_id), ("reset", "1-0"));
    }
    change(&server, &[2], &[]);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next_ids(1).await, ["order 2"]);
        assert_eq!(subscriber.last_id, "2-0");
    }
}

#[tokio::test]
async fn malformed_last_event_id_is_refused() {
    let server = server();
    for head in [
        "Last-Event-ID: \r\n",
        "Last-Event-ID: 1\r\n",
        "Last-Event-ID: 01-0\r\n",
        "Last-Event-ID: x-y\r\n",
        "Last-Event-ID: 1-0, 2-0\r\n",
        "Last-Event-ID: ü\r\n",
        "Last-Event-ID: 1-0\r\nLast-Event-ID: 1-0\r\n",
    ] {
        let reply = server.send("GET", PATH, head, b"").await;
        reply.problem(400, "malformed-request");
    }
    let reply = server.get(&format!("{PATH}?x=1")).await;
    reply.problem(400, "malformed-request");
}

#[tokio::test]
async fn events_support_head_and_options_and_refuse_post() {
    let server = server();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = client::send_on(&mut connection, &bytes("HEAD", PATH, "", b"")).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    let next = client::send_on(&mut connection, &bytes("GET", "/healthz", "", b"")).await;
    assert_eq!(next.status, 200);
    let options = server.send("OPTIONS", PATH, "", b"").await;
    assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"));
    let post = server.send("POST", PATH, "", b"").await;
    post.problem(405, "method-not-allowed");
}

/// The store is read once for all subscribers, and not at all without subscribers.
#[tokio::test]
async fn each_change_is_read_once_for_all_subscribers() {
    let server = server();
    change(&server, &[1], &["a"]);
    tokio::time::sleep(QUIET_PERIOD).await;
    assert_eq!(server.store.calls(), 0);
    let mut subscribers = [
        EventSubscriber::connect(&server, "").await,
        EventSubscriber::connect(&server, "").await,
        EventSubscriber::connect(&server, "").await,
    ];
    tokio::time::sleep(QUIET_PERIOD).await;
    let before = server.store.calls();
    change(&server, &[1, 2, 3], &["a", "b"]);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next_ids(5).await.len(), 5);
    }
    tokio::time::sleep(QUIET_PERIOD).await;
    // Reads of the log up to its end, the orders and the stock, and possibly a periodic poll.
    let calls = server.store.calls() - before;
    assert!((4..=6).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn lost_notification_delays_events_without_losing_them() {
    let server = server();
    let mut subscriber = EventSubscriber::connect(&server, "").await;
    tokio::time::sleep(QUIET_PERIOD).await;
    let started = Instant::now();
    server.store.log_change(&[OrderId(1)], &[]);
    assert_eq!(subscriber.next_ids(1).await, ["order 1"]);
    assert!(started.elapsed() < Duration::from_secs(4));
}
