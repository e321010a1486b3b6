//! Bodies that are slow, large or without end.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client;
use crate::fixture::{JSON, TestServer, bytes};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn impatient() -> TestServer {
    TestServer::start_with(|options| options.body_timeout = Duration::from_millis(200))
}

/// A request head without a body, and without a word about its length but `head`.
fn head(path: &str, head: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{JSON}{head}\r\n").into_bytes()
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = impatient();
    let announced = bytes("POST", "/api/v1/orders", JSON, ORDER.as_bytes());
    let mut chunked = head("/api/v1/orders", CHUNKED);
    chunked.extend_from_slice(b"5\r\n{\"pro\r\n");
    let give_up = async |request: &[u8]| {
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
        give_up(&announced[..announced.len() - 1]),
        give_up(&chunked)
    );
    assert_eq!(server.order_count(), 0);
}

/// It is the whole body that has to be there in time: a byte now and then does not help.
#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let server = impatient();
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
    let answered = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(reader.read_buf(&mut answer).await.unwrap() > 0, "dropped");
        }
        String::from_utf8(answer).unwrap()
    };
    tokio::select! {
        () = trickle => panic!("nobody minded"),
        answer = answered => assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}"),
    }
}

/// Sends a body without end, and returns the answer, which has to come although nobody waits for the rest.
async fn send_without_end(server: &TestServer, head: &[u8], chunk: &[u8]) -> (String, TcpStream) {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        let (mut reader, mut writer) = connection.split();
        let pour = async { while writer.write_all(chunk).await.is_ok() {} };
        let listen = async {
            while !answer.ends_with(b"}") {
                assert!(reader.read_buf(&mut answer).await.unwrap() > 0, "dropped");
            }
        };
        tokio::select! {
            () = pour => panic!("dropped before it was answered"),
            () = listen => (),
        }
    };
    tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .expect("no answer while there is more to come");
    (String::from_utf8(answer).unwrap(), connection)
}

/// The connection ends, and is not drained for as long as the client likes.
async fn assert_closed(mut connection: TcpStream) {
    let end = async {
        let mut rest = Vec::new();
        // A reset is an end as well, once the answer was read.
        let _ = connection.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    };
    tokio::time::timeout(Duration::from_secs(15), end)
        .await
        .expect("the connection stays open");
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_refused_at_once() {
    let server = TestServer::start();
    let data = vec![b' '; 0x1_0000];
    let chunk = [&b"10000\r\n"[..], &data, b"\r\n"].concat();
    let refuse = async |length: &str, body: &[u8]| {
        let head = head("/api/v1/orders", length);
        let (answer, connection) = send_without_end(&server, &head, body).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("/problems/payload-too-large"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_closed(connection).await;
    };
    tokio::join!(
        refuse("Content-Length: 1073741824\r\n", &data),
        refuse(CHUNKED, &chunk),
    );
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_hold_its_connection() {
    let server = TestServer::start();
    let abandon = async |path: &str, status: u16| {
        let head = head(path, CHUNKED);
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let reply = client::send_on(&mut connection, &head).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("connection"), Some("close"), "{path}");
        // It goes on sending, slowly, what nobody reads.
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
            .expect("the connection stays open");
    };
    tokio::join!(abandon("/nowhere", 404), abandon("/api/v1/stock", 405));
}

#[tokio::test]
async fn a_chunked_body_that_is_read_leaves_the_connection_usable() {
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
