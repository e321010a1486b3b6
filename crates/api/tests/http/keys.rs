//! API keys and roles.

use std::collections::BTreeSet;

use api_keys::{ApiKey, Grant, KeyHash, Role};
use domain::identifiers::{OrderId, VendorId};
use domain::order::OrderStatus;
use tokio::net::TcpStream;

use crate::client::{self, Reply};
use crate::fixture::{JSON, TestServer, bytes};
use crate::operations::operations;

const CUSTOMER: &str = "oa_customer";
const OPERATOR: &str = "oa_operator";
const NO_ROLE: &str = "oa_no_role";
const VENDOR: &str = "oa_vendor";
const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

fn key(name: &str, text: &str, roles: &[Role]) -> ApiKey {
    ApiKey {
        name: name.to_owned(),
        hash: KeyHash::of(text.as_bytes()),
        grant: Grant::Roles(roles.to_vec()),
    }
}

fn server() -> TestServer {
    let server = TestServer::start_with(|options| {
        options.keys = vec![
            key("shop", CUSTOMER, &[Role::Customer]),
            key("desk", OPERATOR, &[Role::Operator]),
            key("no_role", NO_ROLE, &[]),
            ApiKey {
                grant: Grant::Vendor(VendorId::parse("acme").unwrap()),
                ..key("acme", VENDOR, &[])
            },
        ];
    });
    server.add_order(OrderStatus::Pending);
    server.store.add_stock("SKU-1", 3);
    server
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

/// The role that a request requires.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Customer,
    Operator,
    /// The key of the vendor `acme`.
    Vendor,
}

/// Requests in other encodings of a path, and for what is no operation.
const OTHERS: &[(&str, &str, Needs)] = &[
    ("GET", "/nowhere", Needs::Nothing),
    ("POST", "/api/v1/vendors/%61cme/reports", Needs::Vendor),
    // Unknown paths below /api require a key too.
    ("GET", "/api", Needs::Customer),
    ("GET", "/api/v1/nowhere", Needs::Customer),
    ("DELETE", "/api/v1/orders", Needs::Customer),
    ("OPTIONS", "/api/v1/orders", Needs::Customer),
    ("GET", "/%61pi/v1/orders", Needs::Customer),
    ("PATCH", "/ap%69/v1/orders/1", Needs::Operator),
    ("GET", "http://test/api/v1/orders", Needs::Customer),
];

/// Every operation with the role that the OpenAPI document states, and the other requests.
fn requests() -> impl Iterator<Item = (String, String, Needs)> {
    let operations = operations().into_iter().filter(|it| !it.is_endless);
    let operations = operations.map(|it| {
        let needs = match it.role.as_deref() {
            None => Needs::Nothing,
            Some("customer") => Needs::Customer,
            Some("operator") => Needs::Operator,
            Some("vendor") => Needs::Vendor,
            Some(other) => panic!("{other}"),
        };
        (it.method, it.target, needs)
    });
    let others = OTHERS.iter();
    let others =
        others.map(|(method, path, needs)| ((*method).to_owned(), (*path).to_owned(), *needs));
    operations.chain(others)
}

/// The roles of the contract. A new operation changes the snapshot, and is tested with its role below.
#[test]
fn roles_of_all_operations() {
    let lines = operations().into_iter().map(|it| {
        let role = it.role.as_deref().unwrap_or("-");
        format!("{} {} {role}\n", it.method, it.path)
    });
    insta::assert_snapshot!(lines.collect::<String>());
}

async fn request(server: &TestServer, method: &str, path: &str, head: &str) -> Reply {
    let body = match method {
        "POST" => ORDER,
        "PATCH" => r#"{"status": "CANCELLED"}"#,
        _ => "",
    };
    let typed = if body.is_empty() { "" } else { JSON };
    let head = format!("{typed}{head}");
    server.send(method, path, &head, body.as_bytes()).await
}

/// Returns whether the request passed authentication and authorization.
fn is_authorized(reply: &Reply) -> bool {
    reply.status != 401 && reply.status != 403
}

#[tokio::test]
async fn each_role_gets_the_response_of_the_endpoint() {
    let server = server();
    for key in [CUSTOMER, OPERATOR] {
        for (method, path, status) in [
            ("POST", "/api/v1/order", 202),
            ("POST", "/api/v1/orders", 202),
            ("GET", "/api/v1/orders", 200),
            ("GET", "/api/v1/orders/1", 200),
            ("GET", "/api/v1/stock", 200),
            ("GET", "/api/v1/stock/SKU-1", 200),
        ] {
            let reply = request(&server, method, path, &bearer(key)).await;
            assert_eq!(reply.status, status, "{method} {path} {key}");
        }
    }
    let metrics = request(&server, "GET", "/metrics", &bearer(OPERATOR)).await;
    assert_eq!(metrics.status, 200);
    for path in ["/healthz", "/readyz", "/docs", "/problems/not-found"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn each_endpoint_requires_its_role() {
    let server = server();
    for (method, path, needs) in requests() {
        let (method, path) = (method.as_str(), path.as_str());
        let without = request(&server, method, path, "").await;
        let unknown = request(&server, method, path, &bearer("oa_unknown")).await;
        if needs == Needs::Nothing {
            assert!(
                is_authorized(&without) && is_authorized(&unknown),
                "{method} {path}"
            );
        } else {
            for (reply, error) in [(&without, false), (&unknown, true)] {
                assert_eq!(reply.status, 401, "{method} {path}");
                let challenge = reply.header("www-authenticate").unwrap();
                assert!(challenge.starts_with("Bearer realm="), "{challenge}");
                let has_error = challenge.contains("error=\"invalid_token\"");
                assert_eq!(has_error, error, "{challenge}");
                if method != "HEAD" {
                    reply.problem(401, "unauthenticated");
                }
            }
        }
        let customer = request(&server, method, path, &bearer(CUSTOMER)).await;
        assert_eq!(
            is_authorized(&customer),
            matches!(needs, Needs::Nothing | Needs::Customer),
            "{method} {path}"
        );
        if needs == Needs::Operator && method != "HEAD" {
            let problem = customer.problem(403, "forbidden");
            assert!(
                problem["detail"].as_str().unwrap().contains("operator"),
                "{problem}"
            );
            let challenge = customer.header("www-authenticate").unwrap();
            assert!(challenge.contains("insufficient_scope"), "{challenge}");
        }
        let operator = request(&server, method, path, &bearer(OPERATOR)).await;
        assert_eq!(
            is_authorized(&operator),
            needs != Needs::Vendor,
            "{method} {path}"
        );
    }
}

#[track_caller]
fn assert_insufficient(reply: &Reply, request: &str) {
    assert_eq!(reply.status, 403, "{request}");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("insufficient_scope"),
        "{request}: {challenge}"
    );
}

#[tokio::test]
async fn key_of_a_vendor_reaches_the_reports_of_that_vendor_and_nothing_else() {
    let server = server();
    for (method, path, needs) in requests() {
        let reply = request(&server, &method, &path, &bearer(VENDOR)).await;
        if matches!(needs, Needs::Nothing | Needs::Vendor) {
            assert!(is_authorized(&reply), "{method} {path}");
        } else {
            assert_insufficient(&reply, &format!("{method} {path}"));
        }
    }
    let others = [
        "/api/v1/vendors/vendor-a/reports",
        "/api/v1/vendors/acme2/reports",
        "/api/v1/vendors/ACME/reports",
        "/api/v1/vendors/%00/reports",
        "/api/v1/vendors/%zz/reports",
        "/api/v1/vendors/acme/reports/",
        "/api/v1/vendors/acme%2Freports",
        "/api/v1/vendors/acme/acme/reports",
        "/api/v1/vendors/acme%2Facme/reports",
        "/api/v1/vendors//reports",
        "/api/v1/vendors/reports",
        "/api/v1/vendors/other/../acme/reports",
    ];
    let paths: BTreeSet<String> = operations().into_iter().map(|it| it.target).collect();
    let paths = paths.iter().map(String::as_str).chain(others);
    // Whether or not the path exists and has the method.
    for path in paths.filter(|path| path.starts_with("/api")) {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW",
        ] {
            let reply = request(&server, method, path, &bearer(VENDOR)).await;
            if path == "/api/v1/vendors/acme/reports" {
                assert!(is_authorized(&reply), "{method} {path}");
            } else {
                assert_insufficient(&reply, &format!("{method} {path}"));
            }
        }
    }
    assert_eq!(server.order_count(), 1);
    // For a customer and an operator, the reports of a vendor are forbidden.
    for key in [CUSTOMER, OPERATOR, NO_ROLE] {
        let reply = request(
            &server,
            "POST",
            "/api/v1/vendors/acme/reports",
            &bearer(key),
        )
        .await;
        let problem = reply.problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("vendor"));
    }
}

#[tokio::test]
async fn key_without_roles_is_forbidden() {
    let server = server();
    for (method, path, status) in [
        ("POST", "/api/v1/orders", 403),
        ("GET", "/api/v1/orders", 403),
        ("PATCH", "/api/v1/orders/1", 403),
        ("GET", "/api/v1/stock", 403),
        ("GET", "/healthz", 200),
    ] {
        let reply = request(&server, method, path, &bearer(NO_ROLE)).await;
        assert_eq!(reply.status, status, "{method} {path}");
    }
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn invalid_bearer_key_is_unauthenticated() {
    let server = server();
    let twice = bearer(CUSTOMER).repeat(2);
    for (head, has_error) in [
        ("Authorization: Basic b2E6YQ==\r\n".to_owned(), false),
        (format!("Authorization: {CUSTOMER}\r\n"), false),
        (format!("X-Api-Key: {CUSTOMER}\r\n"), false),
        ("Authorization:\r\n".to_owned(), false),
        ("Authorization: Bearer\r\n".to_owned(), true),
        (bearer(&format!("{CUSTOMER} {CUSTOMER}")), true),
        (bearer(&CUSTOMER.to_uppercase()), true),
        (bearer(&CUSTOMER[..CUSTOMER.len() - 1]), true),
        (bearer(&format!("{CUSTOMER}x")), true),
        (bearer("\u{fc}"), true),
        (bearer(&KeyHash::of(CUSTOMER.as_bytes()).to_string()), true),
        (twice, true),
    ] {
        let reply = server.send("GET", "/api/v1/orders", &head, b"").await;
        reply.problem(401, "unauthenticated");
        let challenge = reply.header("www-authenticate").unwrap();
        assert_eq!(
            challenge.contains("invalid_token"),
            has_error,
            "{head}: {challenge}"
        );
    }
    let lower = format!("authorization:   bearer   {CUSTOMER}  \r\n");
    assert_eq!(
        server
            .send("GET", "/api/v1/orders", &lower, b"")
            .await
            .status,
        200
    );
}

/// The server neither waits for a body nor reads it before authentication.
#[tokio::test]
async fn body_is_not_read_before_authentication() {
    let server = server();
    let whole = bytes("POST", "/api/v1/orders", "", &[b'x'; 100]);
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let reply = client::send_on(&mut connection, &whole[..whole.len() - 1]).await;
    reply.problem(401, "unauthenticated");
    let huge = server
        .send("POST", "/api/v1/orders", "", &vec![b'x'; 70_000])
        .await;
    huge.problem(401, "unauthenticated");
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn key_rotation_preserves_idempotency_keys() {
    let server = TestServer::start_with(|options| {
        options.keys = vec![
            key("shop", "oa_old", &[Role::Customer]),
            key("shop", "oa_new", &[Role::Customer]),
            key("other", "oa_other", &[Role::Customer]),
        ];
    });
    let place = async |key: &str| {
        let head = format!("{JSON}{}Idempotency-Key: 1\r\n", bearer(key));
        let reply = server
            .send("POST", "/api/v1/orders", &head, ORDER.as_bytes())
            .await;
        assert_eq!(reply.status, 202);
        let id = OrderId(reply.json()["id"].as_i64().unwrap());
        (id, reply.header("idempotent-replayed").is_some())
    };
    assert_eq!(place("oa_old").await, (OrderId(1), false));
    assert_eq!(place("oa_new").await, (OrderId(1), true));
    // Idempotency keys are separate for each key holder.
    assert_eq!(place("oa_other").await, (OrderId(2), false));
    assert_eq!(place("oa_other").await, (OrderId(2), true));
}

#[tokio::test]
async fn without_configured_keys_authorization_is_ignored() {
    let server = TestServer::start();
    let id = server.add_order(OrderStatus::Pending);
    for head in [
        "",
        "Authorization: Basic x\r\n",
        "Authorization: Bearer oa_unknown\r\n",
    ] {
        let reply = server.patch(id, head, r#"{"status": "CANCELLED"}"#).await;
        assert_eq!(reply.status, 200);
    }
}

#[tokio::test]
async fn each_request_on_a_connection_is_authenticated() {
    let server = server();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    for (head, status) in [
        (bearer(OPERATOR), 200),
        (String::new(), 401),
        (bearer(CUSTOMER), 200),
        (bearer("oa_unknown"), 401),
    ] {
        let request = bytes("GET", "/api/v1/orders", &head, b"");
        let reply = client::send_on(&mut connection, &request).await;
        assert_eq!(reply.status, status, "{head}");
    }
}
