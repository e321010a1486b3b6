//! Slow, large and endless request bodies.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client;
use crate::fixture::{JSON, TestServer, bytes};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn server_with_short_timeout() -> TestServer {
    TestServer::start_with(|options| options.body_timeout = Duration::from_millis(200))
}

/// Returns a request head; only `head` specifies the length of the body.
fn head(path: &str, head: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{JSON}{head}\r\n").into_bytes()
}

#[tokio::test]
async fn incomplete_body_times_out() {
    let server = server_with_short_timeout();
    let truncated = bytes("POST", "/api/v1/orders", JSON, ORDER.as_bytes());
    let mut chunked = head("/api/v1/orders", CHUNKED);
    chunked.extend_from_slice(b"5\r\n{\"pro\r\n");
    let assert_timeout = async |request: &[u8]| {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let reply = client::send_on(&mut connection, request).await;
        let problem = reply.problem(408, "request-timeout");
        assert!(
            problem["detail"].as_str().unwrap().contains("200 ms"),
            "{problem}"
        );
        assert_eq!(reply.header("connection"), Some("close"));
        assert_closed(connection).await;
    };
    tokio::join!(
        assert_timeout(&truncated[..truncated.len() - 1]),
        assert_timeout(&chunked)
    );
    assert_eq!(server.order_count(), 0);
}

/// The timeout is for the complete body; single bytes do not extend it.
#[tokio::test]
async fn trickling_body_times_out() {
    let server = server_with_short_timeout();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let request = bytes("POST", "/api/v1/orders", JSON, &vec![b' '; 60_000]);
    let (start, rest) = request.split_at(request.len() - 60_000);
    connection.write_all(start).await.unwrap();
    let (mut reader, mut writer) = connection.into_split();
    let trickle = async {
        for byte in rest {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let responded = async {
        let mut response = Vec::new();
        while !response.ends_with(b"}") {
            assert!(
                reader.read_buf(&mut response).await.unwrap() > 0,
                "connection closed"
            );
        }
        String::from_utf8(response).unwrap()
    };
    tokio::select! {
        () = trickle => panic!("the body did not time out"),
        response = responded => assert!(response.starts_with("HTTP/1.1 408 "), "{response}"),
    }
}

/// Sends an endless body and returns the response, which the server must send without reading the whole body.
async fn send_without_end(server: &TestServer, head: &[u8], chunk: &[u8]) -> (String, TcpStream) {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(head).await.unwrap();
    let mut response = Vec::new();
    let exchange = async {
        let (mut reader, mut writer) = connection.split();
        let write = async { while writer.write_all(chunk).await.is_ok() {} };
        let read = async {
            while !response.ends_with(b"}") {
                assert!(
                    reader.read_buf(&mut response).await.unwrap() > 0,
                    "connection closed"
                );
            }
        };
        tokio::select! {
            () = write => panic!("the connection was closed before the response"),
            () = read => (),
        }
    };
    tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .expect("no response while the body continues");
    (String::from_utf8(response).unwrap(), connection)
}

/// Asserts that the server closes the connection and does not read the rest of the body without limit.
async fn assert_closed(mut connection: TcpStream) {
    let end = async {
        let mut rest = Vec::new();
        // After the response, a reset is a valid end of the connection.
        let _ = connection.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    };
    tokio::time::timeout(Duration::from_secs(15), end)
        .await
        .expect("the connection is still open");
}

#[tokio::test]
async fn body_of_1_gib_is_refused_immediately() {
    let server = TestServer::start();
    let data = vec![b' '; 0x1_0000];
    let chunk = [&b"10000\r\n"[..], &data, b"\r\n"].concat();
    let assert_refused = async |length: &str, body: &[u8]| {
        let head = head("/api/v1/orders", length);
        let (response, connection) = send_without_end(&server, &head, body).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        assert!(
            response.contains("/problems/payload-too-large"),
            "{response}"
        );
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert_closed(connection).await;
    };
    tokio::join!(
        assert_refused("Content-Length: 1073741824\r\n", &data),
        assert_refused(CHUNKED, &chunk),
    );
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn connection_with_an_unread_body_is_closed() {
    let server = TestServer::start();
    let assert_closed_early = async |path: &str, status: u16| {
        let head = head(path, CHUNKED);
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let reply = client::send_on(&mut connection, &head).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("connection"), Some("close"), "{path}");
        // The client continues to send a body that the server does not read.
        let (mut reader, mut writer) = connection.into_split();
        let trickle = async {
            while writer.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let closed = async {
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest).await;
        };
        let ended = async {
            tokio::select! { () = trickle => (), () = closed => () }
        };
        tokio::time::timeout(Duration::from_secs(15), ended)
            .await
            .expect("the connection is still open");
    };
    tokio::join!(
        assert_closed_early("/nowhere", 404),
        assert_closed_early("/api/v1/stock", 405)
    );
}

#[tokio::test]
async fn connection_is_reusable_after_a_chunked_body() {
    let server = TestServer::start();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    for (path, status) in [
        ("/api/v1/orders", 202),
        ("/api/v1/orders", 202),
        ("/nowhere", 404),
    ] {
        let mut request = head(path, CHUNKED);
        let chunk = format!("{:x}\r\n{ORDER}\r\n0\r\n\r\n", ORDER.len());
        request.extend_from_slice(chunk.as_bytes());
        let reply = client::send_on(&mut connection, &request).await;
        assert_eq!(reply.status, status);
    }
    assert_eq!(server.order_count(), 2);
}
