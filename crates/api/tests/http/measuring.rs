//! `GET /metrics`.

use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer};

async fn metrics(server: &TestServer) -> String {
    let reply = server.get("/metrics").await;
    assert_eq!(reply.status, 200);
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(reply.body).unwrap()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

/// The page names every metric. The values of the process differ at each run.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn metrics_of_a_fresh_process() {
    let text = metrics(&TestServer::start()).await;
    let redacted = text.lines().map(|line| match line.split_once(' ') {
        Some((name, value)) if name.starts_with("process_") => {
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            format!("{name} [value]\n")
        }
        _ => format!("{line}\n"),
    });
    insta::assert_snapshot!(redacted.collect::<String>());
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let server = TestServer::start();
    let order = r#"{"product_id": "SKU-1", "quantity": 3}"#;
    for (method, target, body) in [
        ("POST", "/api/v1/orders", order),
        ("POST", "/api/v1/orders", "{}"),
        ("GET", "/api/v1/orders/1", ""),
        ("GET", "/api/v1/orders/2", ""),
        ("HEAD", "/api/v1/orders/1", ""),
        ("DELETE", "/api/v1/orders/1", ""),
        ("GET", "/api/v1/orders/../../no%20such/path", ""),
        ("GET", "/nowhere", ""),
    ] {
        let head = if body.is_empty() { "" } else { JSON };
        server.send(method, target, head, body.as_bytes()).await;
    }
    server.store.fail(Some(Failure::Panic));
    server.get("/api/v1/orders/1").await;
    server.store.fail(None);

    let text = metrics(&server).await;
    for (method, route, status, count) in [
        ("POST", "/api/v1/orders", 202, 1),
        ("POST", "/api/v1/orders", 422, 1),
        ("GET", "/api/v1/orders/{id}", 200, 1),
        ("GET", "/api/v1/orders/{id}", 404, 1),
        ("HEAD", "/api/v1/orders/{id}", 200, 1),
        ("other", "/api/v1/orders/{id}", 405, 1),
        ("GET", "none", 404, 2),
        ("GET", "none", 503, 1),
    ] {
        let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
        assert_line(&text, &format!("http_requests_total{labels} {count}"));
    }
    let labels = "{method=\"GET\",route=\"/api/v1/orders/{id}\"}";
    assert_line(
        &text,
        &format!("http_request_duration_seconds_count{labels} 2"),
    );
}

#[tokio::test]
async fn accepted_orders_and_the_outbox_are_counted() {
    let server = TestServer::start();
    let order = r#"{"product_id": "SKU-1", "quantity": 3}"#;
    let head = format!("{JSON}Idempotency-Key: k\r\n");
    for _ in 0..2 {
        server
            .send("POST", "/api/v1/orders", &head, order.as_bytes())
            .await;
    }
    server.post(order).await;
    server.post("{}").await;
    let text = metrics(&server).await;
    assert_line(&text, "aggregator_orders_accepted_total 2");
    assert_line(&text, "aggregator_outbox_entries 2");
    assert_line(&text, "aggregator_outbox_oldest_age_seconds 1.5");
}

#[tokio::test]
async fn metrics_are_served_without_the_store() {
    let server = TestServer::start();
    for failure in [Failure::Unavailable, Failure::Hang] {
        server.store.fail(Some(failure));
        let text = metrics(&server).await;
        assert!(!text.contains("aggregator_outbox_entries"), "{text}");
        assert_line(&text, "aggregator_orders_accepted_total 0");
    }
}
