//! The health server of a worker, over HTTP connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests and their helpers may panic"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api_keys::{ApiKey, Grant, KeyHash, Role};
use clock_tokio::SystemClock;
use metrics::{Metrics, MetricsPage};
use queue_in_process::InProcessQueue;
use serde_json::{Value, json};
use storage_memory::MemoryStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use worker::health::Health;
use worker::pages::{self, BindError, PagesOptions};
use worker::supervisor::Supervisor;

struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Asserts the status and a header.
    #[track_caller]
    fn assert(&self, status: u16, name: &str, value: &str) {
        let found = (self.status, self.header(name));
        assert_eq!(found, (status, Some(value)), "{}", self.body);
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn options(ip: &str, keys: &[(&str, Role)]) -> PagesOptions {
    let keys = keys.iter().map(|&(name, role)| ApiKey {
        name: name.to_owned(),
        hash: KeyHash::of(format!("oa_{name}").as_bytes()),
        grant: Grant::Roles(vec![role]),
    });
    PagesOptions {
        address: SocketAddr::new(ip.parse().unwrap(), 0),
        keys: keys.collect(),
        allowed_hosts: Vec::new(),
    }
}

/// A health server whose store and queue are in memory.
struct Worker {
    address: SocketAddr,
    supervisor: Supervisor,
}

impl Worker {
    fn start() -> Self {
        Self::start_with(&options("127.0.0.1", &[]))
    }

    fn start_with(options: &PagesOptions) -> Self {
        let queue = InProcessQueue::new(10);
        let supervisor = Supervisor::default();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let health = Health::new(store.clone(), Arc::new(queue), supervisor.clone());
        let listener = pages::bind(options).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let metrics = Arc::new(Metrics::new().unwrap());
        let page = MetricsPage::new(metrics, store);
        tokio::spawn(pages::serve(listener, health, page, options).unwrap());
        Self {
            address,
            supervisor,
        }
    }

    async fn send(&self, method: &str, path: &str) -> Response {
        self.send_head(method, path, "Host: localhost\r\n").await
    }

    async fn send_head(&self, method: &str, path: &str, head: &str) -> Response {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{head}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
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
async fn readiness_reflects_the_state_of_the_worker() {
    let worker = Worker::start();
    assert_eq!(
        worker.send("GET", "/readyz").await.json(),
        json!({
            "status": "ready",
            "dependencies": {"database": {"state": "up"}, "broker": {"state": "up"}},
            "outbox": {"lag_ms": 0},
            "dead_letters": {"orders": 0, "messages": null},
            "tasks": {},
        })
    );
    worker.supervisor.stop(Duration::from_secs(1)).await;
    let response = worker.send("GET", "/readyz").await;
    response.assert(503, "retry-after", "1");
    assert_eq!(response.json()["status"], "not_ready");
    assert_eq!(worker.send("HEAD", "/readyz").await.status, 503);
    assert_eq!(worker.send("GET", "/healthz").await.status, 200);
}

#[tokio::test]
async fn metrics_are_in_the_prometheus_text_format() {
    let worker = Worker::start();
    let response = worker.send("GET", "/metrics").await;
    let text = "text/plain; version=0.0.4; charset=utf-8";
    response.assert(200, "content-type", text);
    let lines: Vec<&str> = response.body.lines().collect();
    for line in [
        "aggregator_orders_settled_total{outcome=\"CONFIRMED\"} 0",
        "aggregator_outbox_entries 0",
    ] {
        assert!(lines.contains(&line), "{}", response.body);
    }
    assert_eq!(worker.send("HEAD", "/metrics").await.body, "");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let worker = Worker::start();
    for path in ["/", "/ready", "/readyz/"] {
        let response = worker.send("GET", path).await;
        response.assert(404, "content-type", "application/problem+json");
        let expected = json!({"type": "about:blank", "title": "Not Found", "status": 404});
        assert_eq!(response.json(), expected);
    }
    assert_eq!(worker.send("HEAD", "/").await.body, "");
    let response = worker.send("POST", "/readyz").await;
    response.assert(405, "allow", "GET, HEAD, OPTIONS");
    assert_eq!(response.json()["title"], "Method Not Allowed");
    let response = worker.send("OPTIONS", "/readyz").await;
    response.assert(204, "allow", "GET, HEAD, OPTIONS");
}

#[test]
fn without_keys_only_loopback_is_bound() {
    let keys = [("desk", Role::Operator)];
    for open in ["0.0.0.0", "::"] {
        let refused = pages::bind(&options(open, &[])).unwrap_err();
        assert!(matches!(refused, BindError::Exposed(_)), "{refused}");
        assert!(refused.to_string().contains("worker.address"), "{refused}");
        pages::bind(&options(open, &keys)).unwrap();
    }
    pages::bind(&options("127.0.0.1", &[])).unwrap();
}

#[tokio::test]
async fn with_keys_metrics_require_the_operator_role_and_probes_are_open() {
    let keys = [("shop", Role::Customer), ("desk", Role::Operator)];
    let worker = Worker::start_with(&options("0.0.0.0", &keys));
    let missing = r#"Bearer realm="order-aggregator""#;
    let unknown = r#"Bearer realm="order-aggregator", error="invalid_token""#;
    let forbidden = r#"Bearer error="insufficient_scope", scope="operator""#;
    for (key, status, challenge) in [
        (None, 401, Some(missing)),
        (Some("other"), 401, Some(unknown)),
        (Some("shop"), 403, Some(forbidden)),
        (Some("desk"), 200, None),
    ] {
        let key = key.map_or_else(String::new, |key| {
            format!("Authorization: Bearer oa_{key}\r\n")
        });
        let head = format!("Host: worker-1.example\r\n{key}");
        let response = worker.send_head("GET", "/metrics", &head).await;
        let found = (response.status, response.header("www-authenticate"));
        assert_eq!(found, (status, challenge), "{key}");
        let is_page = response.body.contains("aggregator_");
        assert_eq!(is_page, status == 200, "{key}");
        for open in ["/healthz", "/readyz"] {
            assert_eq!(worker.send_head("GET", open, &head).await.status, 200);
        }
    }
}

#[tokio::test]
async fn without_keys_a_foreign_host_is_misdirected() {
    let worker = Worker::start();
    for path in ["/healthz", "/readyz", "/metrics", "/nothing"] {
        let response = worker
            .send_head("GET", path, "Host: attacker.example:3001\r\n")
            .await;
        assert_eq!(response.status, 421, "{path}");
        assert_eq!(response.json()["title"], "Misdirected Request");
        assert_eq!(worker.send_head("GET", path, "").await.status, 400);
    }
    let mut allowing = options("127.0.0.1", &[]);
    allowing.allowed_hosts = vec![http_access::Host::parse("worker.example").unwrap()];
    let worker = Worker::start_with(&allowing);
    let named = worker.send_head("GET", "/readyz", "Host: worker.example\r\n");
    assert_eq!(named.await.status, 200);
}

#[tokio::test]
async fn readiness_contains_no_error_messages() {
    let worker = Worker::start();
    let secret = "postgres://user:password@10.1.2.3";
    let fail = move |(), _| async move { Err(secret.to_owned()) };
    worker.supervisor.supervise("flaky", (), fail);
    let response = loop {
        let response = worker.send("GET", "/readyz").await;
        if response.status == 503 {
            break response;
        }
    };
    assert_eq!(response.json()["tasks"]["flaky"]["state"], "restarting");
    assert!(!response.body.contains("10.1.2.3"), "{}", response.body);
}
