//! An HTTP client that sends the given bytes and checks that each response is complete.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A parsed response.
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
        assert!(values.next().is_none(), "{name} occurs twice");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts that this is a problem as RFC 9457 and the contract define it, and returns it.
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
        let has_retry_after = self.header("retry-after").is_some();
        // A 502 has `Retry-After` only if the vendor sent it.
        if status != 502 {
            assert_eq!(has_retry_after, matches!(status, 429 | 503));
        }
        problem
    }

    /// Returns the pointers of a 422, sorted.
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

/// Sends bytes on a new connection and reads until the server closes it.
async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may respond and stop reading before everything is sent.
    let _ = stream.write_all(request).await;
    let mut response = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut response))
        .await
        .expect("the connection is still open")
        .expect("the connection was reset");
    response
}

/// Sends bytes on a new connection and returns the response, which must start with a 200 and be truncated.
pub(crate) async fn send_expecting_truncation(address: SocketAddr, request: &[u8]) -> String {
    let response = exchange(address, request).await;
    assert!(
        parse(&response, false).is_none(),
        "the response is complete"
    );
    let response = String::from_utf8(response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    response
}

/// Sends bytes on a new connection and returns the only response.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Reply {
    let response = exchange(address, request).await;
    let is_head = request.starts_with(b"HEAD ");
    let (reply, rest) = parse(&response, is_head).unwrap_or_else(|| {
        panic!(
            "incomplete response: {:?}",
            String::from_utf8_lossy(&response)
        );
    });
    assert!(rest.is_empty(), "more than one response");
    reply
}

/// Sends bytes on an open connection and returns the next response.
pub(crate) async fn send_on(stream: &mut TcpStream, request: &[u8]) -> Reply {
    stream.write_all(request).await.unwrap();
    let mut response = Vec::new();
    loop {
        if let Some((reply, rest)) = parse(&response, request.starts_with(b"HEAD ")) {
            assert!(rest.is_empty(), "more than one response");
            return reply;
        }
        let read = tokio::time::timeout(TIMEOUT, stream.read_buf(&mut response)).await;
        let bytes = read.expect("no response in time").unwrap();
        assert!(
            bytes > 0,
            "the connection was closed: {:?}",
            String::from_utf8_lossy(&response)
        );
    }
}

/// Parses a response and returns it with the remaining bytes; `None` if it is incomplete.
fn parse(response: &[u8], is_head: bool) -> Option<(Reply, &[u8])> {
    let end = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&response[..end]).unwrap();
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
    let rest = &response[end + 4..];
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

/// Joins the chunks of a body and returns it with the remaining bytes; `None` if the body is incomplete.
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
