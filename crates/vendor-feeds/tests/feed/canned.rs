//! A server that sends the same bytes in every response, for responses that a correct server would not send.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct CannedServer {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
    request: Arc<Mutex<String>>,
}

impl CannedServer {
    /// Starts a server that responds with `status_line`, as in `200 OK`, these header lines, and the body `[]`.
    pub(crate) async fn start(status_line: &str, headers: &str) -> Self {
        Self::start_with_body(status_line, headers, b"[]").await
    }

    pub(crate) async fn start_with_body(status_line: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let mut response = format!(
            "HTTP/1.1 {status_line}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        )
        .into_bytes();
        response.extend_from_slice(body);
        let request = Arc::new(Mutex::new(String::new()));
        let last_request = Arc::clone(&request);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read_exact(&mut byte).await.is_err() {
                        break;
                    }
                    request.extend_from_slice(&byte);
                }
                counter.fetch_add(1, Ordering::SeqCst);
                *last_request.lock().unwrap() = String::from_utf8(request).unwrap();
                let _ = stream.write_all(&response).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            address,
            requests,
            task,
            request,
        }
    }

    /// The header of the last request.
    pub(crate) fn request(&self) -> String {
        self.request.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/stock", self.address)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for CannedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
