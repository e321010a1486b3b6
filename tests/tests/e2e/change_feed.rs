//! The change feed when its log came from another cluster, when all readers come back at once, and while a transaction of
//! another database holds it back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use storage_postgres::test_database::TestDatabase;
use tests::{Deployment, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_mins(1);

/// Connects to `/api/v1/events`, and returns the connection, what was read of it so far, and the id of its opening.
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
        let bytes = timeout(PATIENCE, connection.read_buf(&mut read)).await;
        assert!(bytes.unwrap().unwrap() > 0, "closed: {read:?}");
    }
}

/// Reads until the stream has come to an id, and returns all that was read.
async fn read_to(connection: &mut TcpStream, mut read: Vec<u8>, id: &str, keep: bool) -> Vec<u8> {
    let end = format!("id: {id}\n").into_bytes();
    while !read.windows(end.len()).any(|it| it == end) {
        if !keep {
            let rest = read.len().saturating_sub(end.len());
            read.drain(..rest);
        }
        let bytes = timeout(PATIENCE, connection.read_buf(&mut read)).await;
        assert!(bytes.unwrap().unwrap() > 0, "closed");
    }
    read
}

/// What `pg_dump | psql` into another cluster leaves is simulated: the number of the last forgotten entry is one that this
/// cluster has yet to give out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_another_cluster_is_reset_while_readers_and_waiting_requests_go_on() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 10_000)])
        .start()
        .await;
    let client = deployment.client(0);
    let mut along = client.events(None).await;
    let placed = client.place("1", 1).await;
    along
        .find("order", |it| {
            it["id"] == placed.id && it["status"] != "PENDING"
        })
        .await;
    let old = along.last_id().to_owned();

    let foreign = "UPDATE changes_forgotten SET xid = '99999999999'";
    deployment.database.execute(foreign).await.unwrap();
    let placed = client.place_and_wait("1", 1, 5).await;
    assert!(placed.waited, "its settlement was not seen");
    // A new reader gets events at once; one that comes back and one that follows get one reset, and events.
    let mut new = client.events(None).await;
    let mut back = client.events(Some(&old)).await;
    for reader in [&mut back, &mut along] {
        // Events of the log as it was may come first.
        while reader.next().await.unwrap().0 != "reset" {}
    }
    let started = Instant::now();
    let placed = client.place("1", 1).await;
    for reader in [&mut new, &mut back, &mut along] {
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

    // A restart recognises it as well.
    deployment.database.execute(foreign).await.unwrap();
    let mut deployment = deployment;
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    let log = deployment.apis[0].log();
    assert!(
        log.contains("came from another PostgreSQL cluster"),
        "{log}"
    );
    deployment.audit().await;
}

/// 40 entries of 1,024 products with ids of 128 characters, and 300 readers that come back at once from different places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_come_back_at_once_take_bounded_memory() {
    const READERS: usize = 300;
    // The frames are bounded by `api.event_buffer_bytes`, 8 MiB; the rest is the buffers of 300 connections that are written to.
    const MOST_GROWTH: u64 = 128 * 1024 * 1024;
    let mut deployment = Deployment::builder().workers(0).start().await;
    let port = deployment.api_port(0);
    let (connection, _, before) = connect(port, None).await;
    drop(connection);
    deployment
        .database
        .execute(
            "INSERT INTO stock (product_id) SELECT lpad(n::text, 128, 'p') FROM generate_series(1, 64) n;
             INSERT INTO changes (order_ids, product_ids)
             SELECT (SELECT array_agg(o) FROM generate_series(1, 1024) o),
                    (SELECT array_agg(lpad(n::text, 128, 'p') ORDER BY n) FROM generate_series(1, 1024) n)
             FROM generate_series(1, 40)",
        )
        .await
        .unwrap();
    let newest = eventually("the entries can be read", async || {
        let (_, _, newest) = connect(port, None).await;
        (newest != before).then_some(newest)
    })
    .await;
    // The feed of a new process begins after the entries, so that each reader has to read them of the log.
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
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        // Half of them were at the same place when they were cut off.
        let from = if number % 2 == 0 {
            before.clone()
        } else {
            ids[number % 40].clone()
        };
        let newest = newest.clone();
        readers.spawn(async move {
            let (mut connection, read, _) = connect(port, Some(&from)).await;
            if from != newest {
                read_to(&mut connection, read, &newest, false).await;
            }
            connection
        });
    }
    let connections = readers.join_all().await;
    assert_eq!(connections.len(), READERS);
    let grown = deployment.apis[0].peak_memory_bytes() - peak;
    println!("{READERS} readers: {} KiB more at the peak", grown / 1024);
    assert!(grown < MOST_GROWTH, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_open_in_another_database_shows_in_readiness_and_metrics() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 10_000)])
        .start()
        .await;
    let client = deployment.client(0);
    let other = TestDatabase::create().await.unwrap();
    let open = "BEGIN; CREATE TABLE forgotten (); SELECT pg_sleep(120)".to_owned();
    let forgotten = tokio::spawn(async move { other.execute(&open).await });
    sleep(Duration::from_secs(1)).await;
    let mut events = client.events(None).await;
    let placed = client.place_and_wait("1", 1, 5).await;
    assert!(
        placed.waited,
        "a request that waits for its order does not depend on the log"
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
    let metrics = client
        .try_get("/metrics")
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for name in [
        "aggregator_change_feed_held_back_seconds",
        "aggregator_oldest_transaction_age_seconds",
    ] {
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.unwrap() >= 2.0, "{name}\n{metrics}");
    }

    forgotten.abort();
    events.find("order", |it| it["id"] == placed.order.id).await;
    eventually("the lag is gone", async || {
        let ready = client.get("/readyz").await;
        (ready["change_feed"]["held_back_ms"].as_u64().unwrap() < 1_000).then_some(())
    })
    .await;
}
