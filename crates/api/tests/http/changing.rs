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
async fn patch_follows_the_state_machine() {
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
                assert_eq!(reply.json(), after.json());
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
async fn invalid_status_changes_are_refused() {
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

/// Returns the body that marks a vendor's part as shipped.
fn shipped_by(vendor_id: &str) -> String {
    format!(r#"{{"status": "SHIPPED", "vendor_id": "{vendor_id}"}}"#)
}

#[tokio::test]
async fn order_is_shipped_once_each_vendor_has_shipped() {
    let server = TestServer::start();
    let id = server.add_split_order(&[("vendor-a", 2), ("vendor-b", 1)]);
    let target = format!("/api/v1/orders/{id}");
    let before = server.get(&target).await;
    let partly = server.patch(id, "", &shipped_by("vendor-b")).await;
    assert_eq!(partly.status, 200);
    assert_eq!(partly.json()["status"], "CONFIRMED");
    assert_eq!(partly.json()["allocations"], before.json()["allocations"]);
    assert_ne!(partly.json()["updated_at"], before.json()["updated_at"]);
    assert_ne!(partly.header("etag"), before.header("etag"));
    assert_eq!(
        server.get(&target).await.header("etag"),
        partly.header("etag")
    );

    let again = server.patch(id, "", &shipped_by("vendor-b")).await;
    assert_eq!((again.status, again.json()), (200, partly.json()));
    assert_eq!(again.header("etag"), partly.header("etag"));

    let stale = format!("If-Match: {}\r\n", before.header("etag").unwrap());
    let reply = server.patch(id, &stale, &shipped_by("vendor-a")).await;
    reply.problem(412, "precondition-failed");
    let cancelled = server.patch(id, "", &body(Cancelled)).await;
    cancelled.problem(409, "illegal-transition");
    let detail = cancelled.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("vendor vendor-b"), "{detail}");

    let current = format!("If-Match: {}\r\n", partly.header("etag").unwrap());
    let last = server.patch(id, &current, &shipped_by("vendor-a")).await;
    assert_eq!(
        (last.status, &last.json()["status"]),
        (200, &"SHIPPED".into())
    );
    let again = server.patch(id, "", &shipped_by("vendor-b")).await;
    assert_eq!((again.status, again.json()), (200, last.json()));
}

#[tokio::test]
async fn shipping_without_vendor_id_ships_the_remaining_parts() {
    let server = TestServer::start();
    let id = server.add_split_order(&[("vendor-a", 2), ("vendor-b", 1)]);
    server.patch(id, "", &shipped_by("vendor-a")).await;
    let all = server.patch(id, "", &body(Shipped)).await;
    assert_eq!(
        (all.status, &all.json()["status"]),
        (200, &"SHIPPED".into())
    );
}

#[tokio::test]
async fn invalid_partial_shipments_are_refused() {
    let server = TestServer::start();
    let id = server.add_order(Confirmed);
    let target = format!("/api/v1/orders/{id}");
    let before = server.get(&target).await.json();
    let not_supplied = server.patch(id, "", &shipped_by("vendor-b")).await;
    assert_eq!(not_supplied.pointers(), ["/vendor_id"]);
    for wrong in [r#""""#, "1", "null", r#"{"id": "vendor-a"}"#] {
        let body = format!(r#"{{"status": "SHIPPED", "vendor_id": {wrong}}}"#);
        let reply = server.patch(id, "", &body).await;
        assert_eq!(reply.pointers(), ["/vendor_id"], "{wrong}");
    }
    for &status in OrderStatus::ALL {
        if status != Shipped {
            let body = format!(r#"{{"status": "{status}", "vendor_id": "vendor-a"}}"#);
            let reply = server.patch(id, "", &body).await;
            assert_eq!(reply.pointers(), ["/vendor_id"], "{status}");
        }
    }
    assert_eq!(server.get(&target).await.json(), before);
    for status in [Pending, Rejected, Cancelled, Delivered] {
        let id = server.add_order(status);
        let reply = server.patch(id, "", &shipped_by("vendor-a")).await;
        reply.problem(409, "illegal-transition");
    }
    server
        .patch(OrderId(1_000), "", &shipped_by("vendor-a"))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn invalid_or_unknown_order_id_is_refused() {
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
