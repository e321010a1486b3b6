//! `PATCH /api/v1/orders/{id}`.

use domain::identifiers::OrderId;
use domain::order::OrderStatus::{
    self, Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped,
};

use crate::fixture::{JSON, TestServer};

fn body(status: OrderStatus) -> String {
    format!(r#"{{"status": "{status}"}}"#)
}

#[tokio::test]
async fn the_state_machine_over_http() {
    let server = TestServer::start();
    let legal = [
        (Pending, Rejected),
        (Pending, Cancelled),
        (Confirmed, Shipped),
        (Confirmed, Cancelled),
        (Shipped, Delivered),
    ];
    for &from in OrderStatus::ALL {
        for &to in OrderStatus::ALL {
            let id = server.add_order(from);
            let target = format!("/api/v1/orders/{id}");
            let before = server.get(&target).await;
            let reply = server.patch(id, "", &body(to)).await;
            let after = server.get(&target).await;
            if from == to {
                assert_eq!(reply.status, 200, "{from} to {to}");
                assert_eq!(reply.json(), before.json());
                assert_eq!(reply.header("etag"), before.header("etag"));
            } else if legal.contains(&(from, to)) {
                assert_eq!(reply.status, 200, "{from} to {to}");
                assert_eq!(reply.json()["status"], to.as_str());
                assert_ne!(reply.header("etag"), before.header("etag"));
                assert_eq!(reply.header("etag"), after.header("etag"));
            } else {
                reply.problem(409, "illegal-transition");
                assert_eq!(after.json(), before.json());
            }
            if (from, to) == (Pending, Rejected) {
                assert_eq!(reply.json()["reason"], "MANUAL");
            }
        }
    }
}

#[tokio::test]
async fn if_match_is_honoured() {
    let server = TestServer::start();
    let id = server.add_order(Confirmed);
    let target = format!("/api/v1/orders/{id}");
    let tag = server.get(&target).await.header("etag").unwrap().to_owned();
    for stale in ["\"x\"", "x", "", &format!("W/{tag}"), tag.trim_matches('"')] {
        let head = format!("If-Match: {stale}\r\n");
        server
            .patch(id, &head, &body(Shipped))
            .await
            .problem(412, "precondition-failed");
    }
    assert_eq!(server.get(&target).await.json()["status"], "CONFIRMED");

    let head = format!("If-Match: \"x\", {tag}\r\n");
    assert_eq!(server.patch(id, &head, &body(Shipped)).await.status, 200);
    server
        .patch(id, &head, &body(Delivered))
        .await
        .problem(412, "precondition-failed");
    assert_eq!(
        server
            .patch(id, "If-Match: *\r\n", &body(Delivered))
            .await
            .status,
        200
    );
    server
        .patch(OrderId(9), "If-Match: *\r\n", &body(Delivered))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn what_is_not_acceptable() {
    let server = TestServer::start();
    let id = server.add_order(Pending);
    let cases: &[(&str, &[&str])] = &[
        ("[]", &[""]),
        ("{}", &["/status"]),
        (r#"{"status": "cancelled"}"#, &["/status"]),
        (r#"{"status": "GONE"}"#, &["/status"]),
        (r#"{"status": ""}"#, &["/status"]),
        (r#"{"status": 1}"#, &["/status"]),
        (r#"{"status": null}"#, &["/status"]),
        (r#"{"status": "CANCELLED", "reason": "x"}"#, &["/reason"]),
        (
            r#"{"state": "CANCELLED", "x": 1}"#,
            &["/state", "/status", "/x"],
        ),
    ];
    for (body, pointers) in cases {
        assert_eq!(
            server.patch(id, "", body).await.pointers(),
            *pointers,
            "{body}"
        );
    }
    for malformed in ["", "{", r#"{"status": "CANCELLED", "status": "CANCELLED"}"#] {
        server
            .patch(id, "", malformed)
            .await
            .problem(400, "malformed-request");
    }
    let untyped = server
        .send("PATCH", "/api/v1/orders/1", "", body(Cancelled).as_bytes())
        .await;
    untyped.problem(415, "unsupported-media-type");
    let large = format!("{}{}", body(Cancelled), " ".repeat(65_536));
    server
        .patch(id, "", &large)
        .await
        .problem(413, "payload-too-large");
    assert_eq!(
        server.get("/api/v1/orders/1").await.json()["status"],
        "PENDING"
    );
}

#[tokio::test]
async fn an_order_that_cannot_be() {
    let server = TestServer::start();
    for (id, status, slug) in [
        ("1", 404, "not-found"),
        ("0", 404, "not-found"),
        ("-7", 404, "not-found"),
        ("9223372036854775808", 404, "not-found"),
        ("x", 400, "malformed-request"),
        ("1.0", 400, "malformed-request"),
    ] {
        let target = format!("/api/v1/orders/{id}");
        let reply = server
            .send("PATCH", &target, JSON, body(Cancelled).as_bytes())
            .await;
        reply.problem(status, slug);
    }
}
