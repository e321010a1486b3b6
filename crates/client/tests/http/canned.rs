//! A server that sends given responses to any requests, and records the requests.

use std::sync::{Arc, Mutex};

use client::{Client, ClientError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Canned {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Canned {
    /// Starts a server that sends one response per connection and closes it; without further responses it closes at once.
    pub(crate) async fn start(responses: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut responses = responses.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                recorded.lock().unwrap().push(request);
                if let Some(response) = responses.next() {
                    // The client may close the connection before the end.
                    let _ = stream.write_all(&response).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self {
            url,
            requests,
            task,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}

/// Returns a response; `head` contains further header lines, each with its line end.
pub(crate) fn response(status: u16, head: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Reason\r\n{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) fn is_unexpected(error: &ClientError) -> bool {
    matches!(error, ClientError::UnexpectedResponse { .. })
}

pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    response(status, "", "application/json", body)
}

/// Returns a problem response; `members` contains further members, each with a comma before it.
pub(crate) fn problem(status: u16, slug: &str, head: &str, members: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"type": "/problems/{slug}", "title": "No", "status": {status}, "detail": "not this time"{members}}}"#
    );
    response(status, head, "application/problem+json", &body)
}

pub(crate) fn order(id: i64, status: &str) -> String {
    format!(
        r#"{{"id": {id}, "product_id": "SKU-1", "quantity": 3, "status": "{status}", "reason": null, "new_member": [1],
            "allocations": [{{"vendor_id": "vendor-a", "quantity": 3}}],
            "created_at": "2026-11-23T12:00:00.000000Z", "updated_at": "2026-11-23T12:00:00.004000Z"}}"#
    )
}

/// Returns a confirmed order as one line.
pub(crate) fn order_line(id: i64) -> String {
    let mut line = order(id, "CONFIRMED").replace('\n', " ");
    line.push('\n');
    line
}
