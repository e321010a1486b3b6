//! `POST /api/v1/order` and `/api/v1/orders`.

use serde_json::json;

use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

#[tokio::test]
async fn order_is_accepted_as_pending_on_both_paths() {
    let server = TestServer::start();
    for (path, id) in [("/api/v1/order", 1), ("/api/v1/orders", 2)] {
        // A preference that is not understood is ignored.
        let head = format!("{JSON}Prefer: handling=lenient, wait=31\r\n");
        let reply = server.send("POST", path, &head, ORDER.as_bytes()).await;
        assert_eq!(reply.status, 202);
        assert_eq!(
            reply.header("location"),
            Some(&*format!("/api/v1/orders/{id}"))
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("idempotent-replayed"), None);
        assert_eq!(reply.header("preference-applied"), None);
        let order = reply.json();
        let shown = server.get(reply.header("location").unwrap()).await;
        assert_eq!(shown.json(), order);
        assert_eq!(
            order,
            json!({
                "id": id, "product_id": "SKU-1", "quantity": 3, "status": "PENDING", "reason": null,
                "allocations": [], "created_at": order["created_at"], "updated_at": order["updated_at"],
            })
        );
        let created_at = order["created_at"].as_str().unwrap();
        assert!(
            created_at.len() == 27 && created_at.ends_with('Z'),
            "{created_at}"
        );
    }
}

#[tokio::test]
async fn valid_orders_are_accepted() {
    let server = TestServer::start();
    let longest = "ü".repeat(128);
    let digits = "9".repeat(128);
    for (body, product_id, quantity) in [
        (r#"{"productId": "SKU-1", "quantity": 1}"#, "SKU-1", 1),
        (r#"{"productId": 7, "quantity": 1000000}"#, "7", 1_000_000),
        (
            r#" {"quantity": 2, "product_id": "a/b \u00fc\ud83d\ude00"} "#,
            "a/b ü😀",
            2,
        ),
        (
            &format!(r#"{{"product_id": "{longest}", "quantity": 2}}"#),
            &longest,
            2,
        ),
        (
            &format!(r#"{{"productId": {digits}, "quantity": 2}}"#),
            &digits,
            2,
        ),
    ] {
        let reply = server.post(body).await;
        assert_eq!(reply.status, 202, "{body}");
        let order = reply.json();
        assert_eq!(order["product_id"], product_id, "{body}");
        assert_eq!(order["quantity"], quantity, "{body}");
    }
}

#[tokio::test]
async fn invalid_members_are_reported_with_their_pointers() {
    let server = TestServer::start();
    let product = "/product_id";
    let original = "/productId";
    let quantity = "/quantity";
    let long = format!(r#"{{"product_id": "{}", "quantity": 1}}"#, "x".repeat(129));
    let wide = format!(r#"{{"product_id": "{}", "quantity": 1}}"#, "ü".repeat(129));
    let long_number = format!(r#"{{"productId": {}, "quantity": 1}}"#, "9".repeat(400));
    let cases: &[(&str, &[&str])] = &[
        ("[]", &[""]),
        ("null", &[""]),
        ("3", &[""]),
        ("\"{}\"", &[""]),
        ("{}", &[product, quantity]),
        (r#"{"product_id": "a"}"#, &[quantity]),
        (r#"{"quantity": 1}"#, &[product]),
        (r#"{"product_id": "", "quantity": 1}"#, &[product]),
        (r#"{"product_id": " \t", "quantity": 1}"#, &[product]),
        (r#"{"product_id": "a\u0000", "quantity": 1}"#, &[product]),
        (r#"{"product_id": "a\nb", "quantity": 1}"#, &[product]),
        (r#"{"product_id": "\ud800", "quantity": 1}"#, &[product]),
        (r#"{"product_id": 7, "quantity": 1}"#, &[product]),
        (r#"{"product_id": null, "quantity": 1}"#, &[product]),
        (r#"{"product_id": ["a"], "quantity": 1}"#, &[product]),
        (r#"{"productId": 7.0, "quantity": 1}"#, &[original]),
        (r#"{"productId": 7e0, "quantity": 1}"#, &[original]),
        (r#"{"productId": true, "quantity": 1}"#, &[original]),
        (r#"{"productId": null, "quantity": 1}"#, &[original]),
        (r#"{"productId": "", "quantity": 1}"#, &[original]),
        (
            r#"{"product_id": "a", "productId": "a", "quantity": 1}"#,
            &[original],
        ),
        (r#"{"product_id": "a", "quantity": "2"}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 3.0}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 3.5}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 1e2}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 1e999}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": true}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": null}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": [1]}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 0}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": -0}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": -1}"#, &[quantity]),
        (r#"{"product_id": "a", "quantity": 1000001}"#, &[quantity]),
        (
            r#"{"product_id": "a", "quantity": 99999999999999999999999}"#,
            &[quantity],
        ),
        (
            r#"{"product_id": "a", "quantity": 1, "Quantity": 1}"#,
            &["/Quantity"],
        ),
        (
            r#"{"product_id": "a", "quantity": 1, "a/b~c": 1}"#,
            &["/a~1b~0c"],
        ),
        (r#"{"product_id": "a", "quantity": 1, "": 1}"#, &["/"]),
        (
            r#"{"product_id": 1, "quantity": 0, "x": 1, "y": {}}"#,
            &[product, quantity, "/x", "/y"],
        ),
        (
            r#"{"product_id": "a", "quantity": 1, "quantitiy": 2}"#,
            &["/quantitiy"],
        ),
        (&long, &[product]),
        (&wide, &[product]),
        (&long_number, &[original]),
    ];
    for (body, pointers) in cases {
        let reply = server.post(body).await;
        assert_eq!(reply.pointers(), *pointers, "{body}");
    }
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn body_that_is_not_json_is_malformed() {
    let server = TestServer::start();
    let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let cases: &[&[u8]] = &[
        b"",
        b" ",
        b"{",
        b"hello",
        br#"{"product_id": "a", "quantity": 1"#,
        br#"{"product_id": "a", "quantity": 1}}"#,
        br#"{"product_id": "a", "quantity": 1,}"#,
        br#"{"product_id": "a", "quantity": 01}"#,
        br#"{"product_id": "a", "quantity": +1}"#,
        br#"{"product_id": "a", "quantity": NaN}"#,
        br"{'product_id': 'a', 'quantity': 1}",
        br#"{"product_id": "a", "quantity": 1, "quantity": 2}"#,
        br#"{"product_id": "a", "product_id": "a", "quantity": 1}"#,
        b"{\"product_id\": \"\xff\", \"quantity\": 1}",
        b"{\"product_id\": \"a\nb\", \"quantity\": 1}",
        b"\xef\xbb\xbf{\"product_id\": \"a\", \"quantity\": 1}",
        b"product_id=a&quantity=1",
        deep.as_bytes(),
    ];
    for body in cases {
        let reply = server.send("POST", "/api/v1/orders", JSON, body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        eprintln!("{shown}");
        reply.problem(400, "malformed-request");
    }
    let nothing = server.send("POST", "/api/v1/orders", "", b"").await;
    nothing.problem(400, "malformed-request");
    let query = server
        .send("POST", "/api/v1/orders?x=1", JSON, ORDER.as_bytes())
        .await;
    query.problem(400, "malformed-request");
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn body_not_declared_as_json_is_unsupported() {
    let server = TestServer::start();
    for (head, status) in [
        ("", 415),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: application/jsonx\r\n", 415),
        ("Content-Type: text/json\r\n", 415),
        ("Content-Type: nonsense\r\n", 415),
        ("Content-Type: \r\n", 415),
        ("Content-Type: application/json; charset=latin1\r\n", 415),
        (
            "Content-Type: application/json\r\nContent-Type: application/json\r\n",
            415,
        ),
        (
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            415,
        ),
        ("Content-Type: application/json; charset=utf-8\r\n", 202),
        ("Content-Type: Application/JSON;charset=\"UTF-8\"\r\n", 202),
        ("Content-Type: application/vnd.shop+json\r\n", 202),
        (
            "Content-Type: application/json\r\nContent-Encoding: identity\r\n",
            202,
        ),
    ] {
        let reply = server
            .send("POST", "/api/v1/orders", head, ORDER.as_bytes())
            .await;
        assert_eq!(reply.status, status, "{head}");
        if status == 415 {
            reply.problem(415, "unsupported-media-type");
        }
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused() {
    let server = TestServer::start();
    let padded = |bytes: usize| format!("{ORDER}{}", " ".repeat(bytes - ORDER.len()));
    assert_eq!(server.post(&padded(65_536)).await.status, 202);
    for bytes in [65_537, 3_000_000] {
        server
            .post(&padded(bytes))
            .await
            .problem(413, "payload-too-large");
    }
    let chunk = format!("10001\r\n{}\r\n0\r\n\r\n", padded(65_537));
    let head = format!("{JSON}Connection: close\r\nTransfer-Encoding: chunked\r\n");
    let request = format!("POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{chunk}");
    let chunked = crate::client::send(server.address, request.as_bytes()).await;
    chunked.problem(413, "payload-too-large");
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn orders_are_refused_while_shutting_down() {
    let server = TestServer::start();
    server.announce_shutdown();
    server.post(ORDER).await.problem(503, "unavailable");
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn non_canonical_product_id_is_refused() {
    let server = TestServer::start();
    for id in [
        " SKU-1",
        "SKU-1 ",
        "SKU-1\u{a0}",
        "\u{feff}SKU-1",
        "SKU\u{200b}-1",
        "SKU\u{200d}-1",
        "Cafe\u{301}",
    ] {
        for name in ["product_id", "productId"] {
            let body = format!(r#"{{"{name}": "{id}", "quantity": 1}}"#);
            assert_eq!(server.post(&body).await.pointers(), [format!("/{name}")]);
        }
    }
    assert_eq!(server.order_count(), 0);
    let body = "{\"product_id\": \"Caf\u{e9} 1\", \"quantity\": 1}";
    assert_eq!(server.post(body).await.json()["product_id"], "Caf\u{e9} 1");
}
