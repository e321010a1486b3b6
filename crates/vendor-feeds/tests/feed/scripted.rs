//! A server whose responses a test decides request by request, over plain HTTP or TLS.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(found, value)| (found == name).then_some(value))
    }
}

/// A response to send.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "").with("Location", location)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }
}

pub(crate) struct ScriptedServer {
    port: u16,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    /// Starts a server at 127.0.0.1. `respond` gets the number of the request, from 1.
    pub(crate) async fn start(
        respond: impl Fn(usize, &Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(None, respond).await
    }

    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        respond: impl Fn(usize, &Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let respond = |request: Request| {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    respond(seen.len(), &request)
                };
                match &tls {
                    None => serve(stream, respond).await,
                    // A client that does not trust the certificate ends the handshake.
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, respond).await,
                        Err(_) => continue,
                    },
                };
            }
        });
        Self {
            port,
            scheme,
            requests,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.url_of("127.0.0.1", path)
    }

    pub(crate) fn url_of(&self, host: &str, path: &str) -> String {
        let Self { scheme, port, .. } = self;
        format!("{scheme}://{host}:{port}{path}")
    }

    /// The host and the port.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Path and query of each request.
    pub(crate) fn targets(&self) -> Vec<String> {
        let requests = self.requests();
        requests.into_iter().map(|request| request.target).collect()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request and sends the response.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl FnOnce(Request) -> Response,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method = first.next().unwrap().to_owned();
    let target = first.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut request = Request {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = request.header("Content-Length").unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    let Response {
        status,
        headers,
        body,
    } = respond(request);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}
