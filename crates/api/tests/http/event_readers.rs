//! Readers of `GET /api/v1/events`: how many there may be, how slow, and how each one ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::LiveSettings;
use domain::identifiers::OrderId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::event_client::EventReader;
use crate::events::{A_WHILE, PATH, change, server};
use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer, bytes};

/// How many readers are connected, according to the metrics.
async fn connected(server: &TestServer) -> usize {
    let metrics = String::from_utf8(server.get("/metrics").await.body).unwrap();
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("aggregator_event_readers "));
    count.unwrap().parse().unwrap()
}

#[tokio::test]
async fn there_are_no_more_readers_than_may_be() {
    let server = server();
    let readers = [
        EventReader::connect(&server, "").await,
        EventReader::connect(&server, "").await,
        EventReader::connect(&server, "").await,
    ];
    server.get(PATH).await.problem(503, "unavailable");
    assert_eq!(connected(&server).await, 3);
    drop(readers);
    let give_up = Instant::now() + Duration::from_secs(10);
    while connected(&server).await > 0 {
        assert!(Instant::now() < give_up, "their places stay taken");
        // A connection that is gone is noticed when something is sent on it.
        change(&server, &[1], &[]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    EventReader::connect(&server, "").await;
}

/// One that does not read is told so at last, and holds nobody up; what it was not given is not kept for it.
#[tokio::test]
async fn a_reader_that_is_too_slow_is_dropped_and_can_come_back() {
    const PRODUCTS: usize = 128;
    const CHANGES: u64 = 2_000;
    let bounds = LiveSettings {
        max_readers: 2,
        max_bytes: 1 << 20,
        bytes_per_second: 1 << 30,
    };
    let server = TestServer::start_live(bounds, |_| ());
    let names: Vec<String> = (0..PRODUCTS)
        .map(|number| format!("{number:03}{}", "x".repeat(120)))
        .collect();
    for name in &names {
        server.store.add_stock(name, 1);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut slow = EventReader::connect(&server, "").await;
    let mut quick = EventReader::connect(&server, "").await;
    let mut seen = 0;
    for number in 1..=CHANGES {
        server.store.log(&[], &names);
        if number % 8 == 0 {
            server.wake();
            // What several entries name is told once.
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
    assert_eq!(slow.try_next().await, None, "the stream ends with it");
    assert!(received < seen, "{received} of {seen}");
    let metrics = String::from_utf8(server.get("/metrics").await.body).unwrap();
    let counted = "\naggregator_event_readers_dropped_total 1\n";
    assert!(metrics.contains(counted), "{metrics}");

    let mut back = EventReader::resume(&server, &slow.last_id).await;
    while back.last_id != format!("{CHANGES}-0") {
        assert_eq!(back.next().await.name, "stock");
    }
}

/// However fast it reads: there is no more for it than the budget of all.
#[tokio::test]
async fn a_reader_beyond_the_budget_is_dropped_and_goes_on_where_it_was() {
    const CHANGES: u64 = 100;
    let bounds = LiveSettings {
        max_readers: 1,
        max_bytes: 1 << 20,
        bytes_per_second: 1 << 20,
    };
    let server = TestServer::start_live(bounds, |_| ());
    let names: Vec<String> = (0..128).map(|number| format!("{number:0120}")).collect();
    for name in &names {
        server.store.add_stock(name, 1);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut reader = EventReader::connect(&server, "").await;
    let changing = async {
        for _ in 0..CHANGES {
            change(&server, &[], &names);
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
    };
    let reading = async {
        let mut received = 0;
        loop {
            match reader.next().await {
                event if event.name == "stock" => received += 1,
                event => break (event.name, received),
            }
        }
    };
    let ((), (last, received)) = tokio::join!(changing, reading);
    assert_eq!(last, "dropped");
    assert!(received < 128 * CHANGES, "{received}");
    let place = reader.last_id.clone();
    drop(reader);
    let mut back = EventReader::resume(&server, &place).await;
    while back.last_id != format!("{CHANGES}-0") {
        assert_eq!(back.next().await.name, "stock");
    }
}

/// One that does not read at all does not even take its notice: its connection is cut.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reader_that_does_not_read_at_all_gives_its_place_back() {
    let bounds = LiveSettings {
        max_readers: 1,
        max_bytes: 1 << 20,
        bytes_per_second: 1 << 30,
    };
    let server = TestServer::start_live(bounds, |options| {
        options.send_timeout = Duration::from_secs(1);
    });
    let names: Vec<String> = (0..1_000).map(|number| format!("{number:0100}")).collect();
    for name in &names {
        server.store.add_stock(name, 1);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deaf = EventReader::connect(&server, "").await;
    let give_up = Instant::now() + Duration::from_secs(20);
    while connected(&server).await == 1 {
        assert!(Instant::now() < give_up, "its place stays taken");
        change(&server, &[], &names);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(deaf);
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_stream() {
    let server = server();
    let mut following = EventReader::connect(&server, "").await;
    change(&server, &[1], &[]);
    following.next_ids(1).await;
    let mut idle = EventReader::connect(&server, "").await;
    let announced = Instant::now();
    server.announce_shutdown();
    for reader in [&mut following, &mut idle] {
        assert_eq!(reader.next().await.name, "closing");
        assert_eq!(reader.try_next().await, None);
    }
    assert!(announced.elapsed() < Duration::from_secs(1));
    server.get(PATH).await.problem(503, "unavailable");
    server.stop().await;
    assert!(announced.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_by_who_follows() {
    let server = server();
    // From before anybody reads: who wants it has to read the log.
    change(&server, &[3], &[]);
    let mut reader = EventReader::connect(&server, "").await;
    change(&server, &[1], &[]);
    reader.next_ids(1).await;
    for failure in [Failure::Unavailable, Failure::Panic] {
        server.store.fail(Some(failure));
        change(&server, &[2], &[]);
        reader.assert_quiet(A_WHILE).await;
        let reply = server.get(PATH).await;
        reply.problem(503, "unavailable");
        server.store.fail(None);
        assert_eq!(reader.next_ids(1).await, ["order 2"]);
    }
    // One that catches up just then is sent away, and can come back.
    server.store.fail_after(0, Failure::Unavailable);
    let mut late = EventReader::resume(&server, "0-0").await;
    let event = late.next().await;
    assert_eq!(event.name, "dropped");
    assert_eq!(late.try_next().await, None);
    server.store.fail(None);
    let mut back = EventReader::resume(&server, &event.last_id).await;
    assert_eq!(back.next_ids(2).await, ["order 3", "order 1"]);
}

/// A log that cannot be read, not even from its newest offset, is tried again after a pause, while requests that wait for
/// their order are served as ever. Once it can be read, readers get one reset, and events.
#[tokio::test]
async fn a_log_that_cannot_be_read_is_paused_at_and_keeps_no_request_waiting() {
    let server = Arc::new(server());
    server.store.make_log_foreign(true);
    let mut following = EventReader::connect(&server, "").await;
    let mut behind = EventReader::resume(&server, "0-0").await;
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
        started.elapsed() < Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );

    server.store.make_log_foreign(false);
    let event = following.next().await;
    assert_eq!(
        (event.name.as_str(), event.last_id.as_str()),
        ("reset", "1-0")
    );
    change(&server, &[1], &["a"]);
    assert_eq!(following.next_ids(2).await, ["order 1", "stock a"]);
}

/// An entry of more events than one frame has, and of more frames than are kept: each of several that come back gets all.
#[tokio::test]
async fn readers_that_come_back_at_different_places_get_each_entry_whole() {
    let bounds = LiveSettings {
        max_readers: 12,
        max_bytes: 1 << 20,
        bytes_per_second: 1 << 30,
    };
    let server = Arc::new(TestServer::start_live(bounds, |_| ()));
    let names: Vec<String> = (0..700).map(|number| format!("{number:0120}")).collect();
    for name in &names {
        server.store.add_stock(name, 1);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for entry in 0..12 {
        server.store.log(&[], &names[entry * 10..]);
    }
    let mut reading = JoinSet::new();
    for from in 0..12_u64 {
        let server = Arc::clone(&server);
        reading.spawn(async move {
            let mut reader = EventReader::resume(&server, &format!("{from}-0")).await;
            let mut received = 0;
            while reader.last_id != "12-0" {
                let event = reader.next().await;
                assert_eq!(event.name, "stock");
                received += 1;
            }
            (usize::try_from(from).unwrap(), received)
        });
    }
    for (from, received) in reading.join_all().await {
        let expected: usize = (from..12).map(|entry| 700 - entry * 10).sum();
        assert_eq!(received, expected, "from {from}");
    }
}

/// A client that closes its connection for good in the middle of what it sends.
#[tokio::test]
async fn a_connection_that_breaks_hurts_nobody() {
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
