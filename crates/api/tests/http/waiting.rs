//! `Prefer: wait=N`: an answer that waits for settlement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::identifiers::OrderId;
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Reply;
use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer};

const GOOD: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

/// Longer than anything takes that does not wait.
const SOON: Duration = Duration::from_millis(900);

/// Places an order in a task of its own.
fn place(server: &Arc<TestServer>, head: &str) -> JoinHandle<(Reply, Duration)> {
    let (server, head) = (Arc::clone(server), format!("{JSON}{head}"));
    tokio::spawn(async move {
        let started = Instant::now();
        let reply = server
            .send("POST", "/api/v1/orders", &head, GOOD.as_bytes())
            .await;
        (reply, started.elapsed())
    })
}

/// Waits until so many orders are there.
async fn placed(server: &TestServer, orders: usize) {
    while server.order_count() < orders {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_answer_waits_for_settlement_and_no_longer() {
    let server = Arc::new(TestServer::start());
    for (path, id) in [("/api/v1/order", 1), ("/api/v1/orders", 2)] {
        let waiting = {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let head = format!("{JSON}Prefer: wait=20\r\n");
                server.send("POST", path, &head, GOOD.as_bytes()).await
            })
        };
        placed(&server, id).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished(), "nothing is settled yet");
        let settled_at = Instant::now();
        server.settle(OrderId(i64::try_from(id).unwrap()));
        let reply = waiting.await.unwrap();
        assert!(settled_at.elapsed() < SOON, "{:?}", settled_at.elapsed());
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("preference-applied"), Some("wait"));
        let location = format!("/api/v1/orders/{id}");
        assert_eq!(reply.header("location"), Some(&*location));
        assert_eq!(reply.json()["status"], "REJECTED");
        assert_eq!(reply.json(), server.get(&location).await.json());
    }
}

#[tokio::test]
async fn an_order_that_is_not_settled_in_time_is_answered_as_without_the_preference() {
    let server = Arc::new(TestServer::start());
    let (reply, took) = place(&server, "Prefer: wait=1\r\n").await.unwrap();
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("preference-applied"), None);
    assert_eq!(reply.header("location"), Some("/api/v1/orders/1"));
    assert_eq!(reply.json()["status"], "PENDING");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3));
    let (reply, took) = place(&server, "").await.unwrap();
    assert_eq!(reply.status, 202);
    assert!(took < SOON, "{took:?}");
}

/// What nobody is woken for is found by looking now and then.
#[tokio::test]
async fn a_wake_up_that_is_lost_costs_a_second_and_no_order() {
    let server = Arc::new(TestServer::start());
    let waiting = place(&server, "Prefer: wait=20\r\n");
    placed(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.store.settle(OrderId(1));
    let (reply, took) = waiting.await.unwrap();
    assert_eq!(reply.status, 201);
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// Whether an order is settled before its request has begun to wait, just then or after it, no wake-up is missed.
#[tokio::test]
async fn an_order_that_is_settled_at_any_moment_is_answered_at_once() {
    let server = Arc::new(TestServer::start());
    for id in 1..=60_u64 {
        let waiting = place(&server, "Prefer: wait=20\r\n");
        placed(&server, usize::try_from(id).unwrap()).await;
        tokio::time::sleep(Duration::from_micros(id * 40)).await;
        server.settle(OrderId(i64::try_from(id).unwrap()));
        let (reply, took) = waiting.await.unwrap();
        assert_eq!(reply.status, 201);
        assert!(took < SOON, "{id}: {took:?}");
    }
}

#[tokio::test]
async fn all_who_wait_are_served_by_one_look() {
    let server = Arc::new(TestServer::start());
    let mut waiting = JoinSet::new();
    // As many as the batcher lets wait for their turn to be written.
    for round in 0..10 {
        for _ in 0..4 {
            let order = place(&server, "Prefer: wait=20\r\n");
            waiting.spawn(async move { order.await.unwrap().0 });
        }
        placed(&server, (round + 1) * 4).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = server.store.calls();
    for id in 1..=40 {
        server.store.settle(OrderId(id));
    }
    server.settle(OrderId(1));
    let mut ids = Vec::new();
    while let Some(reply) = waiting.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 201);
        ids.push(reply.json()["id"].as_i64().unwrap());
    }
    ids.sort_unstable();
    assert!(ids.into_iter().eq(1..=40));
    // One look, and those that a slow machine brings by itself.
    let calls = server.store.calls() - before;
    assert!(calls < 10, "{calls} reads for 40 who waited");
}

#[tokio::test]
async fn nobody_reads_while_nobody_waits() {
    let server = TestServer::start();
    server.post(GOOD).await;
    let before = server.store.calls();
    for _ in 0..20 {
        server.settle(OrderId(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.store.calls(), before);
}

#[tokio::test]
async fn a_repeat_answers_at_once_when_its_order_is_settled_and_waits_when_it_is_not() {
    let server = Arc::new(TestServer::start());
    let head = "Idempotency-Key: k\r\nPrefer: wait=20\r\n";
    let first = place(&server, head);
    placed(&server, 1).await;
    let repeat = place(&server, head);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!first.is_finished() && !repeat.is_finished());
    server.settle(OrderId(1));
    let (first, _) = first.await.unwrap();
    let (repeat, _) = repeat.await.unwrap();
    let (late, took) = place(&server, head).await.unwrap();
    assert!(took < SOON, "{took:?}");
    for (reply, replayed) in [
        (&first, None),
        (&repeat, Some("true")),
        (&late, Some("true")),
    ] {
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("preference-applied"), Some("wait"));
        assert_eq!(reply.header("idempotent-replayed"), replayed);
        assert_eq!(reply.json(), first.json());
    }
    // Without the preference it is answered as ever.
    let (plain, _) = place(&server, "Idempotency-Key: k\r\n").await.unwrap();
    assert_eq!(plain.status, 202);
    assert_eq!(plain.header("preference-applied"), None);
    assert_eq!(plain.json(), first.json());
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_waiting() {
    let server = Arc::new(TestServer::start());
    let waiting = place(&server, "Prefer: wait=30\r\n");
    placed(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let announced = Instant::now();
    server.announce_shutdown();
    let (reply, _) = waiting.await.unwrap();
    assert_eq!(reply.status, 202);
    assert!(announced.elapsed() < SOON);
    assert_eq!(reply.json()["status"], "PENDING");
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_is_waited_for() {
    let server = Arc::new(TestServer::start());
    for (id, failure) in [(1, Failure::Unavailable), (2, Failure::Panic)] {
        let waiting = place(&server, "Prefer: wait=20\r\n");
        placed(&server, usize::try_from(id).unwrap()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.store.fail(Some(failure));
        server.settle(OrderId(id));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished());
        server.store.fail(None);
        let (reply, took) = waiting.await.unwrap();
        assert_eq!(reply.status, 201, "{failure:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}
