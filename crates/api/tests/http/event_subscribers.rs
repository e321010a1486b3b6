//! Subscribers of `GET /api/v1/events`: their limits, slow subscribers and the end of streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ChangeFeedSettings;
use domain::identifiers::OrderId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::event_client::EventSubscriber;
use crate::events::{PATH, QUIET_PERIOD, change, server};
use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer, bytes};

fn limits(
    max_event_streams: usize,
    max_bytes: usize,
    bytes_per_second: usize,
) -> ChangeFeedSettings {
    ChangeFeedSettings {
        max_event_streams,
        max_bytes,
        bytes_per_second,
    }
}

/// Adds products with names of `length` characters, and returns the names.
fn add_products(server: &TestServer, count: usize, length: usize) -> Vec<String> {
    let names = (0..count).map(|number| format!("{number:0length$}"));
    names
        .inspect(|name| server.store.add_stock(name, 1))
        .collect()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Returns the number of connected subscribers according to the metrics.
async fn connected(server: &TestServer) -> usize {
    let metrics = String::from_utf8(server.get("/metrics").await.body).unwrap();
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("aggregator_event_streams "));
    count.unwrap().parse().unwrap()
}

#[tokio::test]
async fn subscribers_beyond_the_limit_are_refused() {
    let server = server();
    let subscribers = [
        EventSubscriber::connect(&server, "").await,
        EventSubscriber::connect(&server, "").await,
        EventSubscriber::connect(&server, "").await,
    ];
    server.get(PATH).await.problem(503, "unavailable");
    assert_eq!(connected(&server).await, 3);
    drop(subscribers);
    let deadline = Instant::now() + Duration::from_secs(10);
    while connected(&server).await > 0 {
        assert!(Instant::now() < deadline, "their slots are not released");
        // The server notices a closed connection when it writes to it.
        change(&server, &[1], &[]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    EventSubscriber::connect(&server, "").await;
}

/// A slow subscriber does not delay others; events that it did not receive are not buffered for it.
#[tokio::test]
async fn slow_subscriber_is_dropped_and_can_resume() {
    const PRODUCTS: usize = 128;
    const CHANGES: u64 = 2_000;
    let limits = limits(2, 1 << 20, 1 << 30);
    let server = TestServer::start_with(|options| options.change_feed = limits);
    let names = add_products(&server, PRODUCTS, 123);
    let names = strs(&names);
    let mut slow = EventSubscriber::connect(&server, "").await;
    let mut quick = EventSubscriber::connect(&server, "").await;
    let mut seen = 0;
    for number in 1..=CHANGES {
        server.store.log_change(&[], &names);
        if number % 8 == 0 {
            server.wake();
            // A product in several entries is sent once.
            while quick.last_id != format!("{number}-0") {
                quick.next().await;
                seen += 1;
            }
        }
    }
    assert!(seen >= PRODUCTS * 50, "{seen}");

    let mut received = 0;
    let last = loop {
        match slow.next().await {
            event if event.name == "stock" => received += 1,
            event => break event,
        }
    };
    assert_eq!(last.name, "dropped");
    assert!(
        last.data["detail"]
            .as_str()
            .unwrap()
            .contains("Last-Event-ID")
    );
    assert_eq!(slow.try_next().await, None, "`dropped` is the last event");
    assert!(received < seen, "{received} of {seen}");
    let metrics = String::from_utf8(server.get("/metrics").await.body).unwrap();
    let counted = "\naggregator_event_streams_dropped_total 1\n";
    assert!(metrics.contains(counted), "{metrics}");

    let mut back = EventSubscriber::resume(&server, &slow.last_id).await;
    while back.last_id != format!("{CHANGES}-0") {
        assert_eq!(back.next().await.name, "stock");
    }
}

/// The shared bandwidth limit holds for a subscriber that reads fast, too.
#[tokio::test]
async fn subscriber_beyond_the_bandwidth_limit_is_dropped_and_can_resume() {
    // Each change is 32 KiB of events: the limit admits 8 changes per second, and the cache keeps 8.
    const CHANGES: u64 = 40;
    let limits = limits(1, 1 << 18, 1 << 18);
    let server = TestServer::start_with(|options| options.change_feed = limits);
    let names = add_products(&server, 128, 120);
    let names = strs(&names);
    let mut subscriber = EventSubscriber::connect(&server, "").await;
    let changing = async {
        for _ in 0..CHANGES {
            change(&server, &[], &names);
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
    };
    let receiving = async {
        let mut received = 0;
        loop {
            match subscriber.next().await {
                event if event.name == "stock" => received += 1,
                event => break (event.name, received),
            }
        }
    };
    let ((), (last, received)) = tokio::join!(changing, receiving);
    assert_eq!(last, "dropped");
    assert!(received < 128 * CHANGES, "{received}");
    let last_id = subscriber.last_id.clone();
    drop(subscriber);
    let mut back = EventSubscriber::resume(&server, &last_id).await;
    while back.last_id != format!("{CHANGES}-0") {
        assert_eq!(back.next().await.name, "stock");
    }
}

/// A subscriber that does not read cannot receive `dropped` either: its connection is closed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stalled_subscriber_releases_its_slot() {
    let limits = limits(1, 1 << 20, 1 << 30);
    let server = TestServer::start_with(|options| {
        options.change_feed = limits;
        options.send_timeout = Duration::from_secs(1);
    });
    let names = add_products(&server, 1_000, 100);
    let names = strs(&names);
    let stalled = EventSubscriber::connect(&server, "").await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while connected(&server).await == 1 {
        assert!(Instant::now() < deadline, "its slot is not released");
        change(&server, &[], &names);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stalled);
}

#[tokio::test]
async fn shutdown_ends_the_streams() {
    let server = server();
    let mut following = EventSubscriber::connect(&server, "").await;
    change(&server, &[1], &[]);
    following.next_ids(1).await;
    let mut idle = EventSubscriber::connect(&server, "").await;
    let announced = Instant::now();
    server.announce_shutdown();
    for subscriber in [&mut following, &mut idle] {
        assert_eq!(subscriber.next().await.name, "closing");
        assert_eq!(subscriber.try_next().await, None);
    }
    assert!(announced.elapsed() < Duration::from_secs(1));
    server.get(PATH).await.problem(503, "unavailable");
    server.stop().await;
    assert!(announced.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn live_subscriber_survives_a_store_outage() {
    let server = server();
    // This change precedes the first subscriber: it is only in the log.
    change(&server, &[3], &[]);
    let mut subscriber = EventSubscriber::connect(&server, "").await;
    change(&server, &[1], &[]);
    subscriber.next_ids(1).await;
    for failure in [Failure::Unavailable, Failure::Panic] {
        server.store.fail(Some(failure));
        change(&server, &[2], &[]);
        subscriber.assert_no_event(QUIET_PERIOD).await;
        let reply = server.get(PATH).await;
        reply.problem(503, "unavailable");
        server.store.fail(None);
        assert_eq!(subscriber.next_ids(1).await, ["order 2"]);
    }
    // A subscriber that catches up during the outage is dropped and can resume.
    server.store.fail_after(0, Failure::Unavailable);
    let mut late = EventSubscriber::resume(&server, "0-0").await;
    let event = late.next().await;
    assert_eq!(event.name, "dropped");
    assert_eq!(late.try_next().await, None);
    server.store.fail(None);
    let mut back = EventSubscriber::resume(&server, &event.last_id).await;
    assert_eq!(back.next_ids(2).await, ["order 3", "order 1"]);
}

/// If the log cannot be read, not even from its newest offset, reads are retried with a delay, and requests that wait for
/// their order are not affected. Once the log can be read, subscribers get one reset and then events.
#[tokio::test]
async fn unreadable_change_log_is_retried_without_delaying_requests() {
    let server = Arc::new(server());
    // The feed is started before the log becomes unreadable.
    let mut first = EventSubscriber::connect(&server, "").await;
    change(&server, &[1], &[]);
    first.next().await;
    server.store.set_log_foreign(true);
    server.wake();
    assert_eq!(first.next().await.name, "reset");
    let mut following = EventSubscriber::connect(&server, "").await;
    let mut behind = EventSubscriber::resume(&server, "0-0").await;
    assert_eq!(behind.next().await.name, "reset");
    let before = server.store.calls();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = server.store.calls() - before;
    assert!(calls < 40, "{calls} calls in 2 s");

    let started = Instant::now();
    let waiting = {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let head = format!("{JSON}Prefer: wait=20\r\n");
            let body = br#"{"product_id": "SKU-1", "quantity": 3}"#;
            server.send("POST", "/api/v1/orders", &head, body).await
        })
    };
    while server.order_count() < 4 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.settle(OrderId(4));
    assert_eq!(waiting.await.unwrap().status, 201);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );

    server.store.set_log_foreign(false);
    let event = following.next().await;
    assert_eq!(
        (event.name.as_str(), event.last_id.as_str()),
        ("reset", "2-0")
    );
    change(&server, &[1], &["a"]);
    assert_eq!(following.next_ids(2).await, ["order 1", "stock a"]);
}

/// Each entry has more events than a frame and more frames than are buffered; each resumed subscriber receives all events.
#[tokio::test]
async fn subscribers_resuming_at_different_offsets_receive_whole_entries() {
    let limits = limits(12, 1 << 20, 1 << 30);
    let server = Arc::new(TestServer::start_with(|options| {
        options.change_feed = limits;
    }));
    let names = add_products(&server, 700, 120);
    let names = strs(&names);
    for entry in 0..12 {
        server.store.log_change(&[], &names[entry * 10..]);
    }
    let mut receiving = JoinSet::new();
    for from in 0..12_u64 {
        let server = Arc::clone(&server);
        receiving.spawn(async move {
            let mut subscriber = EventSubscriber::resume(&server, &format!("{from}-0")).await;
            let mut received = 0;
            while subscriber.last_id != "12-0" {
                let event = subscriber.next().await;
                assert_eq!(event.name, "stock");
                received += 1;
            }
            (usize::try_from(from).unwrap(), received)
        });
    }
    for (from, received) in receiving.join_all().await {
        let expected: usize = (from..12).map(|entry| 700 - entry * 10).sum();
        assert_eq!(received, expected, "from {from}");
    }
}

/// Clients that close their connection right after the request.
#[tokio::test]
async fn broken_connections_do_not_affect_the_server() {
    let server = server();
    for _ in 0..20 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = bytes("GET", PATH, "", b"");
        connection.write_all(&request).await.unwrap();
        drop(connection);
        change(&server, &[1], &[]);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}
