//! Rules for every path: methods, unknown paths, problem pages and connections.

use std::collections::BTreeMap;

use api::ProblemKind;
use domain::order::OrderStatus;
use tokio::net::TcpStream;

use crate::client;
use crate::fixture::{TestServer, bytes};
use crate::operations::operations;

/// An example of each path, with its methods as `Allow` lists them.
fn paths() -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for operation in operations() {
        let allow: &mut String = paths.entry(operation.target).or_default();
        allow.extend([operation.method.as_str(), ", "]);
    }
    for allow in paths.values_mut() {
        *allow += "OPTIONS";
    }
    paths
}

#[tokio::test]
async fn allow_header_lists_the_methods_of_a_path() {
    let server = TestServer::start();
    for (path, allow) in &paths() {
        let options = server.send("OPTIONS", path, "", b"").await;
        assert_eq!(
            (options.status, options.header("allow")),
            (204, Some(allow.as_str())),
            "{path}"
        );
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
            if allow.split(", ").any(|known| known == method) {
                continue;
            }
            let reply = server.send(method, path, "", b"").await;
            reply.problem(405, "method-not-allowed");
            assert_eq!(
                reply.header("allow"),
                Some(allow.as_str()),
                "{method} {path}"
            );
        }
    }
    let all = server.send("OPTIONS", "*", "", b"").await;
    assert_eq!(all.status, 204);
}

#[tokio::test]
async fn head_equals_get_without_the_body() {
    let server = TestServer::start();
    server.add_order(OrderStatus::Pending);
    server.store.add_stock("SKU-1", 3);
    let readable = operations().into_iter();
    let readable = readable.filter(|it| it.method == "GET" && !it.is_endless);
    let others = [
        "/api/v1/orders/2",
        "/nowhere",
        "/api/v1/vendors/vendor-a/runs",
    ];
    let paths: Vec<String> = readable
        .map(|it| it.target)
        .chain(others.map(str::to_owned))
        .collect();
    for path in paths.iter().map(String::as_str) {
        let get = server.get(path).await;
        let head = server.send("HEAD", path, "", b"").await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            if (path, name) == ("/metrics", "content-length") {
                // The metrics change with each request.
                continue;
            }
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let server = TestServer::start();
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v2/orders",
        "/api/v1/orders/",
        "/api/v1/order/",
        "/api/v1/orders/1/",
        "/api/v1/orders/1/x",
        "/api/v1/order/1",
        "/api/v1/stock/",
        "/api/v1/stock/a/b",
        "/api/v1/vendors/",
        "/api/v1/vendors/vendor-a",
        "/api/v1/vendors//sync",
        "/api/v1/vendors/vendor-a/sync/",
        "//api/v1/orders",
        "/API/v1/orders",
        "/healthz/",
        "/docs/",
        "/docs/nothing.js",
        "/docs/..",
        "/problems",
        "/problems/",
        "/problems/none",
        "/%00",
        "/%ff",
    ] {
        server.get(path).await.problem(404, "not-found");
    }
    let with_body = server
        .send("POST", "/nowhere", "", &vec![b'x'; 300_000])
        .await;
    with_body.problem(404, "not-found");
}

#[tokio::test]
async fn each_problem_has_a_page() {
    let server = TestServer::start();
    for kind in ProblemKind::ALL {
        let reply = server.get(&format!("/problems/{}", kind.slug())).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let page = String::from_utf8(reply.body).unwrap();
        insta::assert_snapshot!(kind.slug(), page);
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = TestServer::start();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    for (method, target, body, status) in [
        ("GET", "/healthz", "", 200),
        ("GET", "/nowhere", "", 404),
        ("HEAD", "/api/v1/orders", "", 200),
        ("POST", "/api/v1/orders", "{", 400),
        ("POST", "/api/v1/orders", "{}", 422),
        ("DELETE", "/api/v1/orders", "", 405),
        ("OPTIONS", "/api/v1/orders", "", 204),
        ("GET", "/api/v1/orders/x", "", 400),
        (
            "POST",
            "/api/v1/orders",
            r#"{"product_id": "a", "quantity": 1}"#,
            202,
        ),
    ] {
        let request = bytes(method, target, crate::fixture::JSON, body.as_bytes());
        let reply = client::send_on(&mut connection, &request).await;
        assert_eq!(reply.status, status, "{method} {target}");
    }
}
