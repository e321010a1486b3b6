//! `X-Request-Id` of responses and problems: the id of the client if it is valid, otherwise a generated one.

use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer};

#[tokio::test]
async fn valid_request_id_of_the_client_is_returned() {
    let server = TestServer::start();
    let longest = "x".repeat(128);
    for id in ["a", "9f8e-7d/6c=5b\"\\~!", &longest] {
        let head = format!("X-Request-Id: {id}\r\n");
        for (path, status) in [
            ("/healthz", 200),
            ("/api/v1/orders", 200),
            ("/api/v1/orders/1", 404),
            ("/nowhere", 404),
        ] {
            let reply = server.send("GET", path, &head, b"").await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("x-request-id"), Some(id), "{path}");
            if status == 404 {
                assert_eq!(reply.problem(404, "not-found")["request_id"], id, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn invalid_request_id_is_replaced() {
    let server = TestServer::start();
    let too_long = format!("X-Request-Id: {}\r\n", "x".repeat(129));
    let mut seen = std::collections::BTreeSet::new();
    for head in [
        "",
        "X-Request-Id: a b\r\n",
        "X-Request-Id: ä\r\n",
        &too_long,
    ] {
        let reply = server.send("GET", "/api/v1/orders/1", head, b"").await;
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert!((1..=128).contains(&id.len()), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        assert_eq!(reply.problem(404, "not-found")["request_id"], *id);
        assert!(seen.insert(id), "an id was generated twice");
    }
}

#[tokio::test]
async fn every_response_has_a_request_id() {
    let server = TestServer::start();
    for (method, path, head, body) in [
        ("POST", "/api/v1/orders", JSON, "{"),
        ("POST", "/api/v1/orders", JSON, "{}"),
        ("POST", "/api/v1/orders", "", "{}"),
        ("PUT", "/api/v1/orders", "", ""),
        ("OPTIONS", "/api/v1/orders", "", ""),
        ("OPTIONS", "*", "", ""),
        ("HEAD", "/nowhere", "", ""),
    ] {
        let reply = server.send(method, path, head, body.as_bytes()).await;
        let id = reply.header("x-request-id").map(str::to_owned);
        assert!(id.is_some(), "{method} {path}");
        if reply.status >= 400 && method != "HEAD" {
            assert_eq!(reply.json()["request_id"].as_str(), id.as_deref());
        }
    }
    for failure in [Failure::Unavailable, Failure::Panic] {
        server.store.fail(Some(failure));
        let reply = server.get("/api/v1/orders").await;
        reply.problem(503, "unavailable");
        assert!(reply.header("x-request-id").is_some());
    }
}
