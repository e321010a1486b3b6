//! Reading the service's own pages, one at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads a page of JSON.
pub(super) async fn get(server: SocketAddr, path: &str) -> Result<Value> {
    let text = get_text(server, path).await?;
    serde_json::from_str(&text).with_context(|| format!("GET {path}"))
}

/// Reads a page of text.
pub(super) async fn get_text(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    // 1.0, so that the answer comes in one piece.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let body = body(&String::from_utf8(answer)?).map(str::to_owned);
    body.with_context(|| format!("GET {path}"))
}

fn body(answer: &str) -> Result<&str> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    ensure!(status == "200", "the answer is {status}: {body}");
    Ok(body)
}

/// Whether no order is `PENDING`.
pub(super) async fn all_settled(server: SocketAddr) -> Result<bool> {
    let page = get(server, "/api/v1/orders?status=PENDING&limit=1").await?;
    let items = page["items"].as_array().context("the page has no items")?;
    Ok(items.is_empty())
}

/// The cursor of the page that begins so many orders below the newest one.
pub(super) async fn cursor_after(server: SocketAddr, orders: u64) -> Result<String> {
    const AT_A_TIME: u64 = 1000;
    let mut cursor = String::new();
    for _ in 0..orders.div_ceil(AT_A_TIME).max(1) {
        let after = if cursor.is_empty() {
            String::new()
        } else {
            format!("&cursor={cursor}")
        };
        let page = get(server, &format!("/api/v1/orders?limit={AT_A_TIME}{after}")).await?;
        let next = page["next_cursor"].as_str();
        next.context("the list is shorter than it should be")?
            .clone_into(&mut cursor);
    }
    Ok(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_that_is_there_is_read() {
        let page = body("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}").unwrap();
        assert_eq!(page, "{\"items\":[]}");
        assert!(body("HTTP/1.1 503 Service Unavailable\r\n\r\n{}").is_err());
        assert!(body("HTTP/1.1 200 OK\r\n").is_err());
    }
}
