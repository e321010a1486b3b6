//! `Prefer: wait=N`: responses that wait for settlement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::identifiers::OrderId;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Reply;
use crate::event_client::EventSubscriber;
use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

/// Upper bound for responses that do not wait, below the fallback poll interval.
const SOON: Duration = Duration::from_millis(900);

/// Places an order in a new task.
fn place(server: &Arc<TestServer>, head: &str) -> JoinHandle<(Reply, Duration)> {
    let (server, head) = (Arc::clone(server), format!("{JSON}{head}"));
    tokio::spawn(async move {
        let started = Instant::now();
        let reply = server
            .send("POST", "/api/v1/orders", &head, ORDER.as_bytes())
            .await;
        (reply, started.elapsed())
    })
}

/// Waits until the store has `count` orders.
async fn wait_for_orders(server: &TestServer, count: usize) {
    while server.order_count() < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn response_waits_until_the_order_is_settled() {
    let server = Arc::new(TestServer::start());
    for (path, id) in [("/api/v1/order", 1), ("/api/v1/orders", 2)] {
        let waiting = {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let head = format!("{JSON}Prefer: wait=20\r\n");
                server.send("POST", path, &head, ORDER.as_bytes()).await
            })
        };
        wait_for_orders(&server, id).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished(), "the order is not settled");
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
async fn order_not_settled_in_time_is_a_202() {
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

#[tokio::test]
async fn waiters_and_subscribers_are_notified_if_the_store_has_a_writer_runtime() {
    let server = Arc::new(TestServer::start_on(Handle::current()));
    for id in 1..=2 {
        // The second round has a subscriber.
        let mut subscriber = None;
        if id == 2 {
            subscriber = Some(EventSubscriber::connect(&server, "").await);
        }
        let waiting = place(&server, "Prefer: wait=20\r\n");
        wait_for_orders(&server, id).await;
        server.settle(OrderId(i64::try_from(id).unwrap()));
        let (reply, took) = waiting.await.unwrap();
        assert_eq!(reply.status, 201);
        assert!(took < SOON, "{took:?}");
        if let Some(mut subscriber) = subscriber {
            assert_eq!(subscriber.next().await.name, "order");
        }
    }
}

/// Without a notification, the settlement is found by polling.
#[tokio::test]
async fn lost_notification_only_delays_the_response() {
    let server = Arc::new(TestServer::start());
    let waiting = place(&server, "Prefer: wait=20\r\n");
    wait_for_orders(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.store.settle(OrderId(1));
    let (reply, took) = waiting.await.unwrap();
    assert_eq!(reply.status, 201);
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// No notification is missed, whether the order is settled before, while or after its request starts to wait.
#[tokio::test]
async fn settlement_at_any_time_ends_the_wait_immediately() {
    let server = Arc::new(TestServer::start());
    for id in 1..=60_u64 {
        let waiting = place(&server, "Prefer: wait=20\r\n");
        wait_for_orders(&server, usize::try_from(id).unwrap()).await;
        tokio::time::sleep(Duration::from_micros(id * 40)).await;
        server.settle(OrderId(i64::try_from(id).unwrap()));
        let (reply, took) = waiting.await.unwrap();
        assert_eq!(reply.status, 201);
        assert!(took < SOON, "{id}: {took:?}");
    }
}

#[tokio::test]
async fn all_waiters_share_one_read() {
    let server = Arc::new(TestServer::start());
    let mut waiting = JoinSet::new();
    // The batcher accepts 4 pending orders at a time.
    for round in 0..10 {
        for _ in 0..4 {
            let order = place(&server, "Prefer: wait=20\r\n");
            waiting.spawn(async move { order.await.unwrap().0 });
        }
        wait_for_orders(&server, (round + 1) * 4).await;
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
    // One read after the notification, and the periodic polls of a slow machine.
    let calls = server.store.calls() - before;
    assert!(calls < 10, "{calls} reads for 40 waiters");
}

#[tokio::test]
async fn store_is_not_read_without_waiters() {
    let server = TestServer::start();
    server.post(ORDER).await;
    let before = server.store.calls();
    for _ in 0..20 {
        server.settle(OrderId(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.store.calls(), before);
}

#[tokio::test]
async fn repeated_key_waits_only_while_its_order_is_pending() {
    let server = Arc::new(TestServer::start());
    let head = "Idempotency-Key: k\r\nPrefer: wait=20\r\n";
    let first = place(&server, head);
    wait_for_orders(&server, 1).await;
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
    // Without the preference the response is a 202.
    let (plain, _) = place(&server, "Idempotency-Key: k\r\n").await.unwrap();
    assert_eq!(plain.status, 202);
    assert_eq!(plain.header("preference-applied"), None);
    assert_eq!(plain.json(), first.json());
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn shutdown_ends_the_wait() {
    let server = Arc::new(TestServer::start());
    let waiting = place(&server, "Prefer: wait=30\r\n");
    wait_for_orders(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let announced = Instant::now();
    server.announce_shutdown();
    let (reply, _) = waiting.await.unwrap();
    assert_eq!(reply.status, 202);
    assert!(announced.elapsed() < SOON);
    assert_eq!(reply.json()["status"], "PENDING");
}

#[tokio::test]
async fn wait_continues_through_a_store_outage() {
    let server = Arc::new(TestServer::start());
    for (id, failure) in [(1, Failure::Unavailable), (2, Failure::Panic)] {
        let waiting = place(&server, "Prefer: wait=20\r\n");
        wait_for_orders(&server, usize::try_from(id).unwrap()).await;
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
