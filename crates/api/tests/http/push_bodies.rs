//! `POST /api/v1/vendors/{vendor_id}/reports`: large, slow, compressed and concurrent bodies.

use std::num::NonZeroU32;
use std::time::Duration;

use api::RateLimit;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client;
use crate::fixture::{JSON, bytes};
use crate::push_vendor::{MAX_BYTES, REPORT, REPORTS, gzip, listed, server, server_with};

#[tokio::test]
async fn report_is_limited_to_the_size_in_the_vendors_settings() {
    let server = server(|_| ());
    let padded = |size: u64| {
        let mut body = REPORT.to_vec();
        body.resize(usize::try_from(size).unwrap(), b' ');
        body
    };
    // More than other bodies may have.
    assert_eq!(server.push("", &padded(MAX_BYTES)).await.status, 200);
    let body = padded(MAX_BYTES + 1);
    let announced = server.push("", &body).await;
    let chunked = [
        format!("POST {REPORTS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len())
            .as_bytes(),
        &body,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let chunked = client::send(server.address, &chunked).await;
    for reply in [announced, chunked] {
        let problem = reply.problem(413, "payload-too-large");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("100000 bytes (decode.max_bytes)"),
            "{detail}"
        );
    }
    let bomb = gzip(&padded(10_000_001));
    let head = "Content-Encoding: gzip\r\n";
    let problem = server.push(head, &bomb).await;
    let problem = problem.problem(422, "validation-failed");
    assert!(problem["detail"].as_str().unwrap().contains("decode.max_"));
}

#[tokio::test]
async fn only_gzip_is_an_accepted_coding() {
    let server = server(|_| ());
    for coding in ["br", "deflate", "zstd", "gzip, gzip", "compress"] {
        let head = format!("Content-Encoding: {coding}\r\n");
        let problem = server.push(&head, REPORT).await;
        problem.problem(415, "unsupported-media-type");
    }
    let head = "Content-Encoding: identity\r\nContent-Type: application/octet-stream\r\n";
    assert_eq!(server.push(head, REPORT).await.status, 200);
}

#[tokio::test]
async fn empty_and_incomplete_bodies_are_malformed() {
    let server = server(|_| ());
    server.push("", b"").await.problem(400, "malformed-request");
    server
        .push(JSON, b"")
        .await
        .problem(400, "malformed-request");
    assert_eq!(listed(&server).await["last_sync"]["status"], "NEVER");
}

#[tokio::test]
async fn slow_body_times_out() {
    let server = server_with(
        |options| options.body_timeout = Duration::from_millis(200),
        |options| options.timeout = Duration::from_millis(10),
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let request = bytes("POST", REPORTS, "", REPORT);
    let reply = client::send_on(&mut connection, &request[..request.len() - 1]).await;
    let problem = reply.problem(408, "request-timeout");
    assert!(
        problem["detail"].as_str().unwrap().contains("200 ms"),
        "{problem}"
    );
    assert_eq!(listed(&server).await["last_sync"]["status"], "NEVER");
}

#[tokio::test]
async fn longer_timeout_of_the_vendor_extends_that_of_the_body() {
    let server = server_with(
        |options| options.body_timeout = Duration::from_millis(100),
        |options| options.timeout = Duration::from_secs(20),
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let request = bytes("POST", REPORTS, "", REPORT);
    let (start, end) = request.split_at(request.len() - 1);
    connection.write_all(start).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client::send_on(&mut connection, end).await.status, 200);
}

#[tokio::test]
async fn a_few_reports_of_a_vendor_are_received_at_a_time() {
    let server = server(|_| ());
    let request = bytes("POST", REPORTS, "", REPORT);
    let (start, end) = request.split_at(request.len() - 1);
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(start).await.unwrap();
        connections.push(connection);
    }
    // A push takes its permit when its head is read, of which the client learns nothing.
    let refused = loop {
        let reply = server.push("", REPORT).await;
        if reply.status != 200 {
            break reply;
        }
    };
    let problem = refused.problem(503, "unavailable");
    assert!(
        problem["detail"].as_str().unwrap().contains("too many"),
        "{problem}"
    );
    // Another vendor is not affected.
    server.store.register_vendor("vendor-a", 0);
    let sync = server
        .send("POST", "/api/v1/vendors/vendor-a/sync", "", b"")
        .await;
    assert_eq!(sync.status, 200);

    let mut replies = JoinSet::new();
    for mut connection in connections {
        let end = end.to_vec();
        replies.spawn(async move { client::send_on(&mut connection, &end).await });
    }
    for reply in replies.join_all().await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(server.push("", REPORT).await.status, 200);
}

#[tokio::test]
async fn pushes_count_towards_the_rate_limit() {
    let server = server_with(
        |options| {
            options.rate_limit = Some(RateLimit {
                requests: NonZeroU32::MIN,
                per: Duration::from_hours(1),
            });
        },
        |_| (),
    );
    assert_eq!(server.push("", REPORT).await.status, 200);
    server.push("", REPORT).await.problem(429, "rate-limited");
}
