//! A worker's pages, over a connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that is broken panics, in its support code too"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use metrics::{Metrics, MetricsPage};
use queue_in_process::InProcessQueue;
use serde_json::{Value, json};
use storage_memory::MemoryStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use worker::health::Health;
use worker::pages;
use worker::supervisor::Supervisor;

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A worker whose store and queue are in this process.
struct Worker {
    address: SocketAddr,
    supervisor: Supervisor,
}

impl Worker {
    fn start() -> Self {
        let queue = InProcessQueue::new(10);
        let supervisor = Supervisor::default();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let health = Health::new(store.clone(), Arc::new(queue), supervisor.clone());
        let listener = pages::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let page = MetricsPage::new(metrics, store);
        tokio::spawn(pages::serve(listener, health, page).unwrap());
        Self {
            address,
            supervisor,
        }
    }

    async fn send(&self, method: &str, path: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let worker = Worker::start();
    for path in ["/healthz", "/readyz"] {
        let get = worker.send("GET", path).await;
        assert_eq!(get.status, 200, "{}", get.body);
        assert_eq!(get.header("cache-control"), Some("no-store"));
        let head = worker.send("HEAD", path).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn readiness_follows_the_worker() {
    let worker = Worker::start();
    assert_eq!(
        worker.send("GET", "/readyz").await.json(),
        json!({
            "status": "ready",
            "dependencies": {"database": {"state": "up"}, "broker": {"state": "up"}},
            "outbox": {"lag_ms": 0},
            "tasks": {},
        })
    );
    worker.supervisor.stop(Duration::from_secs(1)).await;
    let reply = worker.send("GET", "/readyz").await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(reply.json()["status"], "not_ready");
    assert_eq!(worker.send("HEAD", "/readyz").await.status, 503);
    assert_eq!(worker.send("GET", "/healthz").await.status, 200);
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let worker = Worker::start();
    let reply = worker.send("GET", "/metrics").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    let lines: Vec<&str> = reply.body.lines().collect();
    for line in [
        "aggregator_orders_settled_total{outcome=\"CONFIRMED\"} 0",
        "aggregator_outbox_entries 0",
    ] {
        assert!(lines.contains(&line), "{}", reply.body);
    }
    assert_eq!(worker.send("HEAD", "/metrics").await.body, "");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let worker = Worker::start();
    for path in ["/", "/ready", "/readyz/"] {
        let reply = worker.send("GET", path).await;
        assert_eq!(reply.status, 404);
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
        let expected = json!({"type": "about:blank", "title": "Not Found", "status": 404});
        assert_eq!(reply.json(), expected);
    }
    assert_eq!(worker.send("HEAD", "/").await.body, "");
    let reply = worker.send("POST", "/readyz").await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(reply.json()["title"], "Method Not Allowed");
    let reply = worker.send("OPTIONS", "/readyz").await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
}
