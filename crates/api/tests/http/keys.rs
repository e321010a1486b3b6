//! API keys: who gets in, and what each may do.

use api_keys::{ApiKey, KeyHash, Role};
use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use tokio::net::TcpStream;

use crate::client::{self, Reply};
use crate::fixture::{JSON, TestServer, bytes};

const CUSTOMER: &str = "oa_customer";
const OPERATOR: &str = "oa_operator";
const NO_ROLE: &str = "oa_nobody";
const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

fn key(name: &str, text: &str, roles: &[Role]) -> ApiKey {
    ApiKey {
        name: name.to_owned(),
        hash: KeyHash::of(text.as_bytes()),
        roles: roles.to_vec(),
    }
}

fn server() -> TestServer {
    let server = TestServer::start_with(|options| {
        options.keys = vec![
            key("shop", CUSTOMER, &[Role::Customer]),
            key("desk", OPERATOR, &[Role::Operator]),
            key("nobody", NO_ROLE, &[]),
        ];
    });
    server.add_order(OrderStatus::Pending);
    server.store.add_stock("SKU-1", 3);
    server
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

/// Which key is enough for what.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Customer,
    Operator,
}

const ENDPOINTS: &[(&str, &str, Needs)] = &[
    ("GET", "/", Needs::Nothing),
    ("GET", "/healthz", Needs::Nothing),
    ("GET", "/readyz", Needs::Nothing),
    ("GET", "/docs", Needs::Nothing),
    ("GET", "/docs/start.js", Needs::Nothing),
    ("GET", "/openapi.json", Needs::Nothing),
    ("GET", "/problems/not-found", Needs::Nothing),
    ("GET", "/nowhere", Needs::Nothing),
    ("GET", "/metrics", Needs::Operator),
    ("POST", "/api/v1/order", Needs::Customer),
    ("POST", "/api/v1/orders", Needs::Customer),
    ("GET", "/api/v1/orders", Needs::Customer),
    ("HEAD", "/api/v1/orders", Needs::Customer),
    ("POST", "/api/v1/orders/batch", Needs::Customer),
    ("GET", "/api/v1/orders/1", Needs::Customer),
    ("PATCH", "/api/v1/orders/1", Needs::Operator),
    ("GET", "/api/v1/stock", Needs::Customer),
    ("GET", "/api/v1/stock/SKU-1", Needs::Customer),
    // The answer to GET has no end.
    ("HEAD", "/api/v1/events", Needs::Customer),
    ("GET", "/api/v1/vendors", Needs::Operator),
    ("POST", "/api/v1/vendors/vendor-a/sync", Needs::Operator),
    // What is not there is not told to everyone either, and no spelling of a path goes around that.
    ("GET", "/api", Needs::Customer),
    ("GET", "/api/v1/nowhere", Needs::Customer),
    ("DELETE", "/api/v1/orders", Needs::Customer),
    ("OPTIONS", "/api/v1/orders", Needs::Customer),
    ("GET", "/%61pi/v1/orders", Needs::Customer),
    ("PATCH", "/ap%69/v1/orders/1", Needs::Operator),
    ("GET", "http://test/api/v1/orders", Needs::Customer),
];

async fn ask(server: &TestServer, method: &str, path: &str, head: &str) -> Reply {
    let body = match method {
        "POST" => ORDER,
        "PATCH" => r#"{"status": "CANCELLED"}"#,
        _ => "",
    };
    let typed = if body.is_empty() { "" } else { JSON };
    let head = format!("{typed}{head}");
    server.send(method, path, &head, body.as_bytes()).await
}

/// Whether the handler, or what stands for it, has answered.
fn is_let_in(reply: &Reply) -> bool {
    reply.status != 401 && reply.status != 403
}

#[tokio::test]
async fn each_endpoint_asks_for_the_key_that_its_contract_names() {
    let server = server();
    for (method, path, needs) in ENDPOINTS {
        let without = ask(&server, method, path, "").await;
        let unknown = ask(&server, method, path, &bearer("oa_unknown")).await;
        if *needs == Needs::Nothing {
            assert!(
                is_let_in(&without) && is_let_in(&unknown),
                "{method} {path}"
            );
        } else {
            for (reply, error) in [(&without, false), (&unknown, true)] {
                assert_eq!(reply.status, 401, "{method} {path}");
                let challenge = reply.header("www-authenticate").unwrap();
                assert!(challenge.starts_with("Bearer realm="), "{challenge}");
                let has_error = challenge.contains("error=\"invalid_token\"");
                assert_eq!(has_error, error, "{challenge}");
                if *method != "HEAD" {
                    reply.problem(401, "unauthenticated");
                }
            }
        }
        let customer = ask(&server, method, path, &bearer(CUSTOMER)).await;
        assert_eq!(
            is_let_in(&customer),
            *needs != Needs::Operator,
            "{method} {path}"
        );
        if *needs == Needs::Operator {
            let problem = customer.problem(403, "forbidden");
            assert!(
                problem["detail"].as_str().unwrap().contains("operator"),
                "{problem}"
            );
            let challenge = customer.header("www-authenticate").unwrap();
            assert!(challenge.contains("insufficient_scope"), "{challenge}");
        }
        let operator = ask(&server, method, path, &bearer(OPERATOR)).await;
        assert!(is_let_in(&operator), "{method} {path}");
    }
}

#[tokio::test]
async fn a_key_without_a_role_gets_nothing_done() {
    let server = server();
    for (method, path, status) in [
        ("POST", "/api/v1/orders", 403),
        ("GET", "/api/v1/orders", 403),
        ("PATCH", "/api/v1/orders/1", 403),
        ("GET", "/api/v1/stock", 403),
        ("GET", "/healthz", 200),
    ] {
        let reply = ask(&server, method, path, &bearer(NO_ROLE)).await;
        assert_eq!(reply.status, status, "{method} {path}");
    }
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn what_is_no_bearer_key_is_refused() {
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

/// A body is not waited for, let alone read, before it is known who sends it.
#[tokio::test]
async fn nobody_is_read_before_he_is_known() {
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
async fn a_key_is_exchanged_without_an_order_being_taken_twice() {
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
    // The same idempotency key of another holder is another one.
    assert_eq!(place("oa_other").await, (OrderId(2), false));
    assert_eq!(place("oa_other").await, (OrderId(2), true));
}

#[tokio::test]
async fn without_keys_everyone_may_do_everything_whatever_they_present() {
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
async fn a_connection_is_no_longer_trusted_than_one_request() {
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
