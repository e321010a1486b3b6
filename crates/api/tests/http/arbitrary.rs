//! Arbitrary requests get a complete response with a status below 500.

use std::sync::OnceLock;

use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::client::{self, Reply};
use crate::fixture::{JSON, TestServer, bytes};

/// Sends a request to a server that all cases share.
fn send(method: &str, target: &str, head: &str, body: &[u8]) -> Reply {
    static SERVER: OnceLock<(Runtime, TestServer)> = OnceLock::new();
    let (runtime, server) = SERVER.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(async { TestServer::start() });
        server.store.register_vendor("vendor-a", 1);
        (runtime, server)
    });
    let head = format!("{head}Connection: close\r\n");
    runtime.block_on(client::send(
        server.address,
        &bytes(method, target, &head, body),
    ))
}

fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"orders\":[",
        "\"product_id\"",
        "\"productId\"",
        "\"quantity\"",
        "\"status\"",
        "\"CANCELLED\"",
        "1",
        "-1",
        "1e9",
        "1e999",
        "0.5",
        "true",
        "null",
        "\"\\ud800\"",
        "\"\\u0000\"",
        " ",
        "\"",
        "\\",
        "99999999999999999999",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes())
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-~&&[^#]]{0,20}",
        "(%[0-9a-fA-F]{2}){0,10}",
        "-?[0-9]{1,25}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_body_gets_an_expected_status(
        (method, target) in prop::sample::select(vec![
            ("POST", "/api/v1/orders"),
            ("POST", "/api/v1/orders/batch"),
            ("PATCH", "/api/v1/orders/1"),
            ("POST", "/api/v1/vendors/vendor-a/sync"),
        ]),
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), almost_json()],
    ) {
        let reply = send(method, target, JSON, &body);
        prop_assert!(matches!(reply.status, 200 | 202 | 207 | 400 | 404 | 409 | 422), "{}", reply.status);
        if reply.status >= 400 {
            prop_assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
    }

    #[test]
    fn arbitrary_path_and_query_never_cause_a_server_error(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]),
        prefix in prop::sample::select(vec!["/", "/api/v1/orders", "/api/v1/orders/", "/api/v1/stock/", "/api/v1/stock", "/api/v1/vendors", "/api/v1/vendors/", "/problems/"]),
        path in segment(),
        query in prop::option::of(("(limit|cursor|status|product_id|in_stock|[a-z]{1,3})", segment())),
    ) {
        let query = query.map(|(name, value)| format!("?{name}={value}")).unwrap_or_default();
        let reply = send(method, &format!("{prefix}{path}{query}"), "", b"");
        prop_assert!(reply.status < 500, "{}", reply.status);
    }

    #[test]
    fn arbitrary_header_never_causes_a_server_error(
        name in prop::sample::select(vec!["Idempotency-Key", "If-Match", "If-None-Match", "Content-Type", "Prefer", "Accept"]),
        value in "[\\t -~\u{80}-\u{ff}]{0,40}",
    ) {
        let head = format!("{name}: {value}\r\n");
        for (method, target, body) in [
            ("POST", "/api/v1/orders", &b"{\"product_id\": \"a\", \"quantity\": 1}"[..]),
            ("POST", "/api/v1/orders/batch", b"{\"orders\": [{\"product_id\": \"a\", \"quantity\": 1}]}"),
            ("GET", "/api/v1/orders/1", b""),
            ("GET", "/api/v1/stock", b""),
            ("PATCH", "/api/v1/orders/1", b"{\"status\": \"CANCELLED\"}"),
        ] {
            let typed = if name == "Content-Type" { "" } else { JSON };
            let reply = send(method, target, &format!("{typed}{head}"), body);
            prop_assert!(reply.status < 500, "{}", reply.status);
        }
    }
}
