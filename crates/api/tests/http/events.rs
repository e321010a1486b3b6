//! `GET /api/v1/events`.

use std::time::{Duration, Instant};

use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use tokio::net::TcpStream;

use crate::client;
use crate::event_client::EventReader;
use crate::fixture::{TestServer, bytes};

pub(crate) const PATH: &str = "/api/v1/events";

/// Long enough for what should not come to have come.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

/// A server with orders 1 to 3 and products a and b.
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

/// A transaction of another process changes these.
pub(crate) fn change(server: &TestServer, orders: &[i64], products: &[&str]) {
    let ids: Vec<OrderId> = orders.iter().copied().map(OrderId).collect();
    server.store.log(&ids, products);
    server.wake();
}

#[tokio::test]
async fn what_changes_is_sent_as_it_is_shown_elsewhere() {
    let server = server();
    change(&server, &[1], &["b"]);
    let mut reader = EventReader::connect(&server, "").await;
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store\r\n",
        "x-accel-buffering: no\r\n",
    ] {
        assert!(reader.head.contains(header), "{}", reader.head);
    }
    reader.assert_quiet(A_WHILE).await;
    assert_eq!(reader.last_id, "1-0");

    change(&server, &[2, 3], &["a"]);
    for id in [2, 3] {
        let event = reader.next().await;
        let shown = server.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!((event.name.as_str(), &event.data), ("order", &shown.json()));
        // The entry is not whole yet.
        assert_eq!(event.last_id, "1-0");
    }
    let event = reader.next().await;
    let listed = server.get("/api/v1/stock").await.json();
    assert_eq!(
        (event.name.as_str(), &event.data),
        ("stock", &listed["items"][0])
    );
    assert_eq!(event.last_id, "2-0");

    // What is not there is left out, and moves the reader on.
    change(&server, &[99], &["unknown"]);
    change(&server, &[1], &[]);
    assert_eq!(reader.next_ids(1).await, ["order 1"]);
    assert_eq!(reader.last_id, "4-0");
}

#[tokio::test]
async fn a_reader_that_comes_back_has_missed_nothing() {
    let server = server();
    let mut reader = EventReader::connect(&server, "").await;
    change(&server, &[1], &[]);
    change(&server, &[2], &["a"]);
    assert_eq!(reader.next_ids(2).await, ["order 1", "order 2"]);
    // In the middle of the second entry: it comes again as a whole.
    let last_id = reader.last_id.clone();
    assert_eq!(last_id, "1-0");
    drop(reader);
    change(&server, &[3], &["b"]);
    change(&server, &[1], &[]);

    let mut reader = EventReader::resume(&server, &last_id).await;
    let missed = ["order 2", "stock a", "order 3", "stock b", "order 1"];
    assert_eq!(reader.next_ids(5).await, missed);
    change(&server, &[2], &[]);
    assert_eq!(reader.next_ids(1).await, ["order 2"]);
    assert_eq!(reader.last_id, "5-0");
    reader.assert_quiet(A_WHILE).await;

    // From before others began to read, and from where they are.
    let mut from_start = EventReader::resume(&server, "0-0").await;
    assert_eq!(from_start.next_ids(1).await.len(), 1);
    let mut from_end = EventReader::resume(&server, "5-0").await;
    change(&server, &[3], &[]);
    assert_eq!(from_end.next_ids(1).await, ["order 3"]);
}

/// However many changes come while a reader comes back, each reaches it, in order, and none twice.
#[tokio::test]
async fn catching_up_leads_into_what_is_new_without_a_gap() {
    let server = TestServer::start();
    for _ in 0..400 {
        server.add_order(OrderStatus::Pending);
    }
    for id in 1..=200 {
        server.store.log(&[OrderId(id)], &[]);
    }
    let mut along = EventReader::connect(&server, "").await;
    let mut late = EventReader::resume(&server, "0-0").await;
    for id in 201..=400 {
        change(&server, &[id], &[]);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let orders = |from: i64| (from..=400).map(|id| format!("order {id}"));
    assert!(late.next_ids(400).await.into_iter().eq(orders(1)));
    assert!(along.next_ids(200).await.into_iter().eq(orders(201)));
}

/// Whether others read already or not.
#[tokio::test]
async fn a_reader_that_was_away_too_long_is_told_to_begin_anew() {
    for others_read in [false, true] {
        // Forgotten; and what was never there, as of a store that was put back.
        for last_id in ["0-0", "2-0", "4-0", "18446744073709551615-7"] {
            let server = server();
            for id in 1..=3 {
                change(&server, &[id], &[]);
            }
            server.store.prune_changes();
            let mut other = None;
            if others_read {
                other = Some(EventReader::connect(&server, "").await);
            }
            let mut reader = EventReader::resume(&server, last_id).await;
            let event = reader.next().await;
            assert_eq!(event.name, "reset", "{last_id}");
            assert!(event.data["detail"].as_str().unwrap().contains("anew"));
            assert_eq!(event.last_id, "3-0");
            change(&server, &[1], &["a"]);
            for mut reader in other.into_iter().chain([reader]) {
                assert_eq!(reader.next_ids(2).await, ["order 1", "stock a"]);
                assert_eq!(reader.last_id, "4-0");
            }
        }
    }
}

/// A store that was put back to an earlier state gives positions again that its readers had: they are told to begin anew,
/// and go on from there.
#[tokio::test]
async fn readers_of_a_store_that_was_put_back_are_told_to_begin_anew() {
    let server = server();
    let mut readers = [
        EventReader::connect(&server, "").await,
        EventReader::connect(&server, "").await,
    ];
    for id in 1..=3 {
        change(&server, &[id], &[]);
    }
    for reader in &mut readers {
        while reader.last_id != "3-0" {
            reader.next().await;
        }
    }
    server.store.put_back(1);
    server.wake();
    for reader in &mut readers {
        let event = reader.next().await;
        assert_eq!((&*event.name, &*event.last_id), ("reset", "1-0"));
    }
    change(&server, &[2], &[]);
    for reader in &mut readers {
        assert_eq!(reader.next_ids(1).await, ["order 2"]);
        assert_eq!(reader.last_id, "2-0");
    }
}

#[tokio::test]
async fn a_last_event_id_that_was_not_given_is_refused() {
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
async fn other_methods_are_answered_as_elsewhere() {
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

/// The store is read once for all, and not at all while nobody reads.
#[tokio::test]
async fn each_change_is_read_once_for_all_readers() {
    let server = server();
    change(&server, &[1], &["a"]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(server.store.calls(), 0);
    let mut readers = [
        EventReader::connect(&server, "").await,
        EventReader::connect(&server, "").await,
        EventReader::connect(&server, "").await,
    ];
    tokio::time::sleep(A_WHILE).await;
    let before = server.store.calls();
    change(&server, &[1, 2, 3], &["a", "b"]);
    for reader in &mut readers {
        assert_eq!(reader.next_ids(5).await.len(), 5);
    }
    tokio::time::sleep(A_WHILE).await;
    // The log until there is no more, the orders, the stock; a look that the poll brings by itself.
    let calls = server.store.calls() - before;
    assert!((4..=6).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn a_wake_up_that_is_lost_costs_a_second_and_no_event() {
    let server = server();
    let mut reader = EventReader::connect(&server, "").await;
    tokio::time::sleep(A_WHILE).await;
    let started = Instant::now();
    server.store.log(&[OrderId(1)], &[]);
    assert_eq!(reader.next_ids(1).await, ["order 1"]);
    assert!(started.elapsed() < Duration::from_secs(4));
}
