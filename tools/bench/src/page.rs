//! HTTP requests to the service, one at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `GET` and returns the JSON body.
pub(super) async fn get(server: SocketAddr, path: &str) -> Result<Value> {
    let text = get_text(server, path).await?;
    serde_json::from_str(&text).with_context(|| format!("GET {path}"))
}

/// Sends `GET` and returns the body as text.
pub(super) async fn get_text(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    // With HTTP/1.0 the response is not chunked.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let body = body(&String::from_utf8(response)?).map(str::to_owned);
    body.with_context(|| format!("GET {path}"))
}

fn body(response: &str) -> Result<&str> {
    let (head, body) = response
        .split_once("\r\n\r\n")
        .context("the response head is incomplete")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    ensure!(status == "200", "the response status is {status}: {body}");
    Ok(body)
}

/// Returns whether no order is `PENDING`.
pub(super) async fn all_settled(server: SocketAddr) -> Result<bool> {
    let page = get(server, "/api/v1/orders?status=PENDING&limit=1").await?;
    let items = page["items"].as_array().context("the page has no items")?;
    Ok(items.is_empty())
}

/// Returns the cursor of the page that starts `orders` orders below the newest one.
pub(super) async fn cursor_after(server: SocketAddr, orders: u64) -> Result<String> {
    const PAGE_SIZE: u64 = 1000;
    let mut cursor = String::new();
    for _ in 0..orders.div_ceil(PAGE_SIZE).max(1) {
        let after = if cursor.is_empty() {
            String::new()
        } else {
            format!("&cursor={cursor}")
        };
        let page = get(server, &format!("/api/v1/orders?limit={PAGE_SIZE}{after}")).await?;
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
    fn only_a_complete_response_with_status_200_is_accepted() {
        let page = body("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}").unwrap();
        assert_eq!(page, "{\"items\":[]}");
        assert!(body("HTTP/1.1 503 Service Unavailable\r\n\r\n{}").is_err());
        assert!(body("HTTP/1.1 200 OK\r\n").is_err());
    }
}
