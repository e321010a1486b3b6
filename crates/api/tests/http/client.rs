//! A client that sends exactly the bytes it is told to, and checks that each answer is a whole one.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks that this is a problem as RFC 9457 and the contract have it, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, slug: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.status, problem["type"].as_str()),
            (status, Some(&*format!("/problems/{slug}"))),
            "{problem}"
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(problem["status"], status);
        for member in ["title", "detail"] {
            assert!(
                problem[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        assert_eq!(
            problem["errors"].is_array(),
            slug == "validation-failed",
            "{problem}"
        );
        let comes_again = self.header("retry-after").is_some();
        // A 502 has it if the vendor demands it.
        if status != 502 {
            assert_eq!(comes_again, matches!(status, 429 | 503));
        }
        problem
    }

    /// The pointers of a 422, sorted.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().unwrap();
        let mut pointers: Vec<String> = errors
            .iter()
            .map(|error| {
                assert!(
                    error["detail"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{error}"
                );
                error["pointer"].as_str().unwrap().to_owned()
            })
            .collect();
        pointers.sort();
        pointers
    }
}

/// Sends bytes on a connection of their own, and reads whatever comes until it is closed.
async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and stop reading before everything is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer))
        .await
        .expect("the connection is not closed")
        .expect("the connection is dropped");
    answer
}

/// Sends bytes on a connection of their own, and returns the answer, which must begin well and be broken off.
pub(crate) async fn send_to_be_broken_off(address: SocketAddr, request: &[u8]) -> String {
    let answer = exchange(address, request).await;
    assert!(
        parse(&answer, false).is_none(),
        "it does not look broken off"
    );
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

/// Sends bytes on a connection of their own, and reads the answer to its end.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Reply {
    let answer = exchange(address, request).await;
    let is_head = request.starts_with(b"HEAD ");
    let (reply, rest) = parse(&answer, is_head).unwrap_or_else(|| {
        panic!("no whole answer: {:?}", String::from_utf8_lossy(&answer));
    });
    assert!(rest.is_empty(), "more than one answer");
    reply
}

/// Sends bytes on an open connection, and reads one answer.
pub(crate) async fn send_on(stream: &mut TcpStream, request: &[u8]) -> Reply {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if let Some((reply, rest)) = parse(&answer, request.starts_with(b"HEAD ")) {
            assert!(rest.is_empty(), "more than one answer");
            return reply;
        }
        let read = tokio::time::timeout(TIMEOUT, stream.read_buf(&mut answer)).await;
        let bytes = read.expect("no answer in time").unwrap();
        assert!(bytes > 0, "dropped: {:?}", String::from_utf8_lossy(&answer));
    }
}

/// Reads one answer; `None` if it is not whole yet.
fn parse(answer: &[u8], is_head: bool) -> Option<(Reply, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let value = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let rest = &answer[end + 4..];
    let (body, rest) = if is_head || status == 304 {
        (Vec::new(), rest)
    } else if value("transfer-encoding") == Some("chunked") {
        chunks(rest)?
    } else {
        let length = value("content-length").map_or(0, |length| length.parse().unwrap());
        rest.split_at_checked(length)
            .map(|(body, rest)| (body.to_vec(), rest))?
    };
    let reply = Reply {
        status,
        headers,
        body,
    };
    Some((reply, rest))
}

/// Joins the chunks of a body, and returns what comes after the last; `None` if it is not there yet.
fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, after) = rest[end + 2..].split_at_checked(size)?;
        rest = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, rest));
        }
        body.extend_from_slice(chunk);
    }
}
