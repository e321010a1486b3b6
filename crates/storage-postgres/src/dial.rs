//! Opens the stream to a server, with TLS if it is configured.
//!
//! TLS begins here, and not in the driver, so that an error keeps its cause, and the frames of the server can be observed in
//! clear text above TLS.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tls_config::ClientTls;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::connect_error::ConnectError;
use crate::options::{
    KEEPALIVES_COUNT, KEEPALIVES_IDLE, KEEPALIVES_INTERVAL, PgOptions, UNACKNOWLEDGED_TIMEOUT,
};

/// The message `SSLRequest`: its length and a code in place of a protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The byte stream of a session.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// Opens the byte stream to the first configured host, for tools that bypass the store: to be used without TLS of the driver.
///
/// # Errors
/// [`ConnectError`].
pub async fn open_stream(options: &PgOptions) -> Result<Box<dyn Wire>, ConnectError> {
    let host = options.host.split(',').next().unwrap_or_default().trim();
    dial(host, options.port, options.tls.as_ref()).await
}

/// Connects to a host by name or address, or to the socket file in the directory `host`, which needs no TLS. Of several
/// addresses, the first one that accepts is used.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    tls: Option<&ClientTls>,
) -> Result<Box<dyn Wire>, ConnectError> {
    let unreachable = |error: io::Error| ConnectError::Unreachable {
        server: format!("{host}:{port}"),
        reason: error.to_string(),
    };
    if host.starts_with('/') {
        let file = Path::new(host).join(format!(".s.PGSQL.{port}"));
        let stream = UnixStream::connect(file).await.map_err(unreachable)?;
        return Ok(Box::new(stream));
    }
    let stream = connect(host, port).await.map_err(unreachable)?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(tls) => match encrypt(stream, host, tls).await {
            Ok(encrypted) => Ok(encrypted),
            Err(Refusal::Transient(error)) => Err(unreachable(error)),
            Err(Refusal::Permanent(reason)) => Err(ConnectError::Tls {
                server: format!("{host}:{port}"),
                reason,
            }),
        },
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| {
            let reason = format!("cannot resolve the host name: {error}");
            io::Error::new(error.kind(), reason)
        })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                configure(&stream)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Why TLS did not begin.
enum Refusal {
    /// The connection broke.
    Transient(io::Error),
    /// A setting, a file or the server must change; contains cause and remedy.
    Permanent(String),
}

async fn encrypt(
    mut stream: TcpStream,
    host: &str,
    tls: &ClientTls,
) -> Result<Box<dyn Wire>, Refusal> {
    let files = tls.clone();
    let config = tokio::task::spawn_blocking(move || files.config())
        .await
        .map_err(|error| Refusal::Transient(io::Error::other(error)))?
        .map_err(|error| Refusal::Permanent(error.to_string()))?;
    let name =
        ClientTls::server_name(host).map_err(|error| Refusal::Permanent(error.to_string()))?;
    let requested = async {
        stream.write_all(&SSL_REQUEST).await?;
        // Exactly one byte: data that was sent in clear text is not taken for data within TLS.
        stream.read_u8().await
    };
    let response = requested.await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Refusal::Transient(io::Error::new(
            error.kind(),
            "the server closed the connection instead of responding to the request for TLS",
        )),
        _ => Refusal::Transient(error),
    })?;
    match response {
        b'S' => {}
        b'N' => {
            return Err(Refusal::Permanent(
                "the server does not offer TLS: set ssl = on with a certificate on the server, or connect without TLS"
                    .to_owned(),
            ));
        }
        // The server fails before it can read the request, for example because it cannot start a process.
        b'E' => {
            return Err(Refusal::Transient(io::Error::other(
                "the server responded to the request for TLS with an error: see its log",
            )));
        }
        _ => {
            return Err(Refusal::Permanent(
                "the program that listens there is not PostgreSQL: check host and port".to_owned(),
            ));
        }
    }
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(match tls_config::tls_error(&error) {
            Some(cause) => Refusal::Permanent(tls_config::explain(cause, tls.options())),
            None => Refusal::Transient(io::Error::new(
                error.kind(),
                format!("the connection broke during the TLS handshake: {error}"),
            )),
        }),
    }
}

/// Configures the socket to detect an unreachable host.
fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVES_IDLE)
        .with_interval(KEEPALIVES_INTERVAL)
        .with_retries(KEEPALIVES_COUNT);
    socket.set_tcp_keepalive(&keepalive)?;
    set_unacknowledged_timeout(&socket, UNACKNOWLEDGED_TIMEOUT)
}

#[cfg(target_os = "linux")]
fn set_unacknowledged_timeout(socket: &SockRef<'_>, timeout: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(timeout))
}

#[cfg(not(target_os = "linux"))]
fn set_unacknowledged_timeout(_: &SockRef<'_>, _: Duration) -> io::Result<()> {
    Ok(())
}
