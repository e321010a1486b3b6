//! The change feed after a change of the PostgreSQL cluster, with many simultaneous reconnects, and while a transaction of
//! another database holds it back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use storage_postgres::test_database::TestDatabase;
use tests::{Deployment, assert_contains, concurrently, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const TIMEOUT: Duration = Duration::from_mins(1);

/// Connects to `/api/v1/events`. Returns the connection, the bytes read so far and the first event id.
async fn connect(port: u16, last_event_id: Option<&str>) -> (TcpStream, Vec<u8>, String) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let resume = last_event_id.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((_, opening)) = text.split_once("retry: 2000\nid: ")
            && let Some((id, _)) = opening.split_once('\n')
        {
            let id = id.to_owned();
            return (connection, read, id);
        }
        let bytes = timeout(TIMEOUT, connection.read_buf(&mut read)).await;
        assert!(bytes.unwrap().unwrap() > 0, "closed: {read:?}");
    }
}

/// Reads until the stream reaches an event id. Returns the bytes read: all of them if `keep`, else the last ones.
async fn read_to(connection: &mut TcpStream, mut read: Vec<u8>, id: &str, keep: bool) -> Vec<u8> {
    let end = format!("id: {id}\n").into_bytes();
    while !read.windows(end.len()).any(|value| value == end) {
        if !keep {
            let rest = read.len().saturating_sub(end.len());
            read.drain(..rest);
        }
        let bytes = timeout(TIMEOUT, connection.read_buf(&mut read)).await;
        assert!(bytes.unwrap().unwrap() > 0, "closed");
    }
    read
}

/// Simulates `pg_dump | psql` into another cluster: the transaction id of the last pruned entry is one that this cluster has
/// not assigned yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_log_of_another_cluster_is_reset_and_subscribers_and_waiters_continue() {
    let mut deployment = Deployment::start(&[("1", 10_000)]).await;
    let client = deployment.client(0);
    let mut connected = client.events(None).await;
    let placed = client.place("1", 1).await;
    connected
        .find("order", |value| {
            value["id"] == placed.id && value["status"] != "PENDING"
        })
        .await;
    let old = connected.last_id().to_owned();

    let foreign = "UPDATE changes_forgotten SET xid = '99999999999'";
    deployment.execute(foreign).await;
    let placed = client.place_and_wait("1", 1, 5).await;
    assert!(placed.waited, "the settlement was not observed");
    // A new subscriber gets events immediately; a reconnected and a connected subscriber get one reset, then events.
    let mut new = client.events(None).await;
    let mut reconnected = client.events(Some(&old)).await;
    for reader in [&mut reconnected, &mut connected] {
        // Events from before the reset may precede it.
        while reader.next().await.unwrap().0 != "reset" {}
    }
    let started = Instant::now();
    let placed = client.place("1", 1).await;
    for reader in [&mut new, &mut reconnected, &mut connected] {
        loop {
            let (name, data) = reader.next().await.unwrap();
            assert_ne!(name, "reset");
            if name == "order" && data["id"] == placed.id && data["status"] != "PENDING" {
                break;
            }
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );

    // A restart detects the foreign change log, too.
    deployment.execute(foreign).await;
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    assert_contains(
        &deployment.apis[0].log(),
        "restored from another PostgreSQL cluster",
    );
    deployment.audit().await;
}

/// 40 entries of 1,024 products with ids of 128 characters, and 300 readers that reconnect at once from different offsets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_reconnects_use_bounded_memory() {
    const READERS: usize = 300;
    // `api.event_buffer_bytes` limits the frames to 8 MiB; the rest is the write buffers of 300 connections.
    const MAX_GROWTH: u64 = 128 * 1024 * 1024;
    let mut deployment = Deployment::builder().workers(0).start().await;
    let port = deployment.apis[0].port();
    let (connection, _, before) = connect(port, None).await;
    drop(connection);
    deployment
        .execute(
            "INSERT INTO stock (product_id) SELECT lpad(n::text, 128, 'p') FROM generate_series(1, 64) n;
             INSERT INTO changes (order_ids, product_ids)
             SELECT (SELECT array_agg(o) FROM generate_series(1, 1024) o),
                    (SELECT array_agg(lpad(n::text, 128, 'p') ORDER BY n) FROM generate_series(1, 1024) n)
             FROM generate_series(1, 40)",
        )
        .await;
    let newest = eventually("the entries can be read", async || {
        let (_, _, newest) = connect(port, None).await;
        (newest != before).then_some(newest)
    })
    .await;
    // The event buffer of a new process starts after the entries, so that each reader has to read them from the change log.
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    let (mut first, read, _) = connect(port, Some(&before)).await;
    let read = read_to(&mut first, read, &newest, true).await;
    let text = String::from_utf8_lossy(&read).into_owned();
    let ids: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: ").map(str::to_owned))
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 41, "{ids:?}");
    assert_eq!(text.matches("event: stock").count(), 40 * 64);

    let peak = deployment.apis[0].peak_memory_bytes();
    let connections = concurrently(READERS, |number| {
        // Half of the readers resume from the same offset.
        let from = if number % 2 == 0 {
            &before
        } else {
            &ids[number % 40]
        };
        let (from, newest) = (from.clone(), newest.clone());
        async move {
            let (mut connection, read, _) = connect(port, Some(&from)).await;
            if from != newest {
                read_to(&mut connection, read, &newest, false).await;
            }
            connection
        }
    })
    .await;
    assert_eq!(connections.len(), READERS);
    let grown = deployment.apis[0].peak_memory_bytes() - peak;
    println!("{READERS} readers: {} KiB more at the peak", grown / 1024);
    assert!(grown < MAX_GROWTH, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transaction_in_another_database_is_reported_by_readiness_and_metrics() {
    let deployment = Deployment::start(&[("1", 10_000)]).await;
    let client = deployment.client(0);
    let other = TestDatabase::create().await.unwrap();
    let open = "BEGIN; CREATE TABLE forgotten (); SELECT pg_sleep(120)".to_owned();
    let forgotten = tokio::spawn(async move { other.execute(&open).await });
    sleep(Duration::from_secs(1)).await;
    let mut events = client.events(None).await;
    let placed = client.place_and_wait("1", 1, 5).await;
    assert!(
        placed.waited,
        "waiting for a settlement does not depend on the change log"
    );
    assert!(
        timeout(Duration::from_secs(2), events.next())
            .await
            .is_err(),
        "events are held back"
    );

    let ready = client.get("/readyz").await;
    assert_eq!(ready["status"], "ready", "{ready}");
    let change_feed = &ready["change_feed"];
    assert!(
        change_feed["held_back_ms"].as_u64().unwrap() >= 2_000,
        "{ready}"
    );
    assert!(
        change_feed["oldest_transaction_ms"].as_u64().unwrap() >= 3_000,
        "{ready}"
    );
    for name in [
        "aggregator_change_feed_held_back_seconds",
        "aggregator_oldest_transaction_age_seconds",
    ] {
        let seconds: f64 = client.metric(name).await;
        assert!(seconds >= 2.0, "{name} is {seconds}");
    }

    forgotten.abort();
    events
        .find("order", |value| value["id"] == placed.order.id)
        .await;
    eventually("the lag is gone", async || {
        let ready = client.get("/readyz").await;
        (ready["change_feed"]["held_back_ms"].as_u64().unwrap() < 1_000).then_some(())
    })
    .await;
}
