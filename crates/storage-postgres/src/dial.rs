//! Opens the stream to a server.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::options::{
    KEEPALIVES_COUNT, KEEPALIVES_IDLE, KEEPALIVES_INTERVAL, UNACKNOWLEDGED_TIMEOUT,
};

/// The byte stream of a session.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// Connects to a host by name or address, or to the socket file in the directory `host`. Of several addresses, the
/// first one that accepts is used.
pub(crate) async fn dial(host: &str, port: u16) -> io::Result<Box<dyn Wire>> {
    if host.starts_with('/') {
        let file = Path::new(host).join(format!(".s.PGSQL.{port}"));
        return Ok(Box::new(UnixStream::connect(file).await?));
    }
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
                return Ok(Box::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
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
