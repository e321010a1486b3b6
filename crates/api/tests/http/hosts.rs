//! The host of a request. Without API keys only loopback hosts are served: a web page can reach this machine under its own
//! host name (DNS rebinding).

use api_keys::{ApiKey, Grant, KeyHash, Role};

use crate::client::{self, Reply};
use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

/// Sends a request with `hosts` as its `Host` header lines.
async fn send(server: &TestServer, request_line: &str, hosts: &str) -> Reply {
    let length = ORDER.len();
    let request = format!(
        "{request_line}\r\n{hosts}{JSON}Content-Length: {length}\r\nConnection: close\r\n\r\n{ORDER}"
    );
    client::send(server.address, request.as_bytes()).await
}

async fn place(server: &TestServer, host: &str) -> Reply {
    let hosts = format!("Host: {host}\r\n");
    send(server, "POST /api/v1/orders HTTP/1.1", &hosts).await
}

#[tokio::test]
async fn without_keys_a_foreign_host_is_misdirected() {
    let server = TestServer::start();
    for host in [
        "attacker.example",
        "attacker.example:3000",
        "127.0.0.1.attacker.example",
        "0.0.0.0:3000",
        "10.0.0.1",
        "[::]:3000",
        "",
    ] {
        place(&server, host)
            .await
            .problem(421, "misdirected-request");
    }
    let absolute = "POST http://attacker.example/api/v1/orders HTTP/1.1";
    let reply = send(&server, absolute, "Host: localhost\r\n").await;
    reply.problem(421, "misdirected-request");
    let old = "POST /api/v1/orders HTTP/1.0";
    let reply = send(&server, old, "Host: attacker.example\r\n").await;
    reply.problem(421, "misdirected-request");
    assert_eq!(server.order_count(), 0);
    for path in ["/", "/healthz", "/readyz", "/metrics", "/docs", "/nowhere"] {
        let line = format!("GET {path} HTTP/1.1");
        let reply = send(&server, &line, "Host: attacker.example\r\n").await;
        reply.problem(421, "misdirected-request");
    }
}

#[tokio::test]
async fn without_keys_every_name_of_loopback_is_served() {
    let server = TestServer::start();
    for host in [
        "localhost",
        "LOCALHOST:3000",
        "shop.localhost",
        "127.0.0.1:1",
        "127.8.8.8",
        "[::1]:3000",
    ] {
        assert_eq!(place(&server, host).await.status, 202, "{host}");
    }
    let absolute = "POST http://localhost:1/api/v1/orders HTTP/1.1";
    let reply = send(&server, absolute, "Host: attacker.example\r\n").await;
    assert_eq!(reply.status, 202);
    let old = send(&server, "POST /api/v1/orders HTTP/1.0", "").await;
    assert_eq!(old.status, 202);
}

#[tokio::test]
async fn request_without_exactly_one_valid_host_is_malformed() {
    let server = TestServer::start();
    let line = "POST /api/v1/orders HTTP/1.1";
    for hosts in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: local host\r\n",
        "Host: user@localhost\r\n",
        "Host: localhost:http\r\n",
    ] {
        let reply = send(&server, line, hosts).await;
        assert_eq!(reply.status, 400, "{hosts}");
    }
    assert_eq!(server.order_count(), 0);
}

/// Browsers send a cross-origin request without a body without a preflight.
#[tokio::test]
async fn without_keys_cross_origin_writes_are_forbidden() {
    let server = TestServer::start_with(|options| {
        options.cors_origins = vec!["https://shop.example".to_owned()];
    });
    let sync = async |origin: &str| {
        let head = format!("Origin: {origin}\r\n");
        let path = "/api/v1/vendors/vendor-a/sync";
        server.send("POST", path, &head, b"").await
    };
    for foreign in [
        "https://attacker.example",
        "http://localhost.attacker.example",
        "null",
    ] {
        sync(foreign).await.problem(403, "forbidden");
    }
    let listed = server.get("/api/v1/vendors").await.json();
    assert_eq!(
        listed["items"][0]["last_sync"]["status"], "NEVER",
        "{listed}"
    );
    for known in [
        "http://localhost:8080",
        "http://[::1]:3000",
        "https://shop.example",
    ] {
        assert_ne!(sync(known).await.status, 403, "{known}");
    }
    let head = "Origin: https://attacker.example\r\n";
    let read = server.send("GET", "/api/v1/orders", head, b"").await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn allowed_host_is_served() {
    let server = TestServer::start_with(|options| {
        options.allowed_hosts = vec![http_access::Host::parse("shop.example").unwrap()];
    });
    assert_eq!(place(&server, "shop.example:8080").await.status, 202);
    assert_eq!(place(&server, "localhost").await.status, 202);
    let other = place(&server, "other.example").await;
    other.problem(421, "misdirected-request");
}

#[tokio::test]
async fn with_keys_any_host_is_served_unless_allowed_hosts_is_set() {
    let start = |allowed: &[&str]| {
        TestServer::start_with(|options| {
            options.keys = vec![ApiKey {
                name: "shop".to_owned(),
                hash: KeyHash::of(b"oa_shop"),
                grant: Grant::Roles(vec![Role::Customer]),
            }];
            let hosts = allowed.iter().map(|host| http_access::Host::parse(host));
            options.allowed_hosts = hosts.collect::<Result<_, _>>().unwrap();
        })
    };
    let key = "Authorization: Bearer oa_shop\r\n";
    let line = "POST /api/v1/orders HTTP/1.1";
    let foreign = format!("Host: shop.example\r\n{key}");
    assert_eq!(send(&start(&[]), line, &foreign).await.status, 202);
    let server = start(&["other.example"]);
    let reply = send(&server, line, &foreign).await;
    reply.problem(421, "misdirected-request");
}
