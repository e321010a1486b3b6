//! One TCP and AMQP connection with bounded connect, call and close times.

use std::io;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Auth, Connection, ConnectionOptions, ConnectionTuning};
use rustls::ClientConnection;
use thiserror::Error;
use tls_config::ClientTls;

use crate::options::RabbitOptions;
use crate::tls_stream::{self, TlsStream};
use crate::watchdog::{Guard, Watchdog};

/// Timeout of a TCP connect to one address, and of each step of the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of one call to the broker.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of the AMQP close handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Frames buffered between a channel and the I/O thread. With `amiquip`'s default of 16, the I/O thread is woken for
/// every few messages.
const FRAMES_IN_MEMORY: usize = 256;

/// Why a session could not be opened.
#[derive(Debug, Error)]
pub(crate) enum BrokerError {
    #[error("cannot resolve the broker's address: {0}")]
    Resolve(io::Error),
    #[error("cannot connect to the broker: {0}")]
    Connect(io::Error),
    #[error("no TLS connection to {server}: {reason}")]
    Tls { server: String, reason: String },
    #[error("cannot log in to the broker: {0}")]
    Login(amiquip::Error),
    #[error("call to the broker failed: {0}")]
    Call(#[from] amiquip::Error),
    #[error(
        "{name} exists on the broker with other arguments than required: {reason}; remove it once `rabbitmqctl \
         list_queues name messages` counts 0 and orders.dead exists"
    )]
    OtherArguments { name: String, reason: String },
    #[error("the broker refused to declare {name}: {reason}")]
    Refused { name: String, reason: String },
}

/// Unsent bytes at which `amiquip` blocks publishers. Its default of 16 MiB only wastes memory: messages that the
/// broker does not read time out and are published again.
const MAX_UNSENT_BYTES: usize = 1024 * 1024;

/// An open connection. Close it with [`BrokerConnection::close`]: dropping it can block for a long time if the broker is frozen.
pub(crate) struct BrokerConnection {
    pub(crate) connection: Connection,
    socket: Arc<TcpStream>,
    watchdog: Arc<Watchdog>,
}

impl BrokerConnection {
    /// Connects and logs in to the broker, and prepares the connection. If that fails, the connection is closed.
    pub(crate) fn open_with<T>(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
        prepare: impl FnOnce(&mut Connection, &Guard) -> Result<T, BrokerError>,
    ) -> Result<(Self, T), BrokerError> {
        let mut broker = Self::open(options, watchdog)?;
        // Guards from before a channel exists, so that closing the channel on an error is guarded too.
        let guard = broker.guard(Instant::now() + CALL_TIMEOUT);
        let prepared = prepare(&mut broker.connection, &guard);
        drop(guard);
        match prepared {
            Ok(prepared) => Ok((broker, prepared)),
            Err(error) => {
                broker.close();
                Err(error)
            }
        }
    }

    /// Connects and logs in to the broker.
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, BrokerError> {
        let mut stream = connect(options)?;
        let socket = stream.try_clone().map_err(BrokerError::Connect)?;
        let login = ConnectionOptions::<Auth>::default()
            .auth(Auth::Plain {
                username: options.user.clone(),
                password: options.password.clone(),
            })
            .virtual_host(options.vhost.clone())
            .heartbeat(options.heartbeat_s())
            .connection_timeout(Some(CONNECT_TIMEOUT))
            .information(Some(options.connection_name.clone()));
        let socket = Arc::new(socket);
        // The client's own timeout restarts with every received byte; this deadline does not.
        let guard = watchdog.guard(&socket, Instant::now() + 2 * CONNECT_TIMEOUT);
        let tls = match &options.tls {
            Some(tls) => Some(encrypt(tls, options, &mut stream)?),
            None => None,
        };
        // Also makes the socket non-blocking.
        let stream = mio::net::TcpStream::from_stream(stream).map_err(BrokerError::Connect)?;
        let tuning = ConnectionTuning::default()
            .mem_channel_bound(FRAMES_IN_MEMORY)
            .buffered_writes_high_water(MAX_UNSENT_BYTES);
        let opened = match tls {
            None => Connection::insecure_open_stream(stream, login, tuning),
            Some(tls) => {
                Connection::insecure_open_stream(TlsStream::new(tls, stream), login, tuning)
            }
        };
        let connection = opened.map_err(|error| login_error(error, options))?;
        drop(guard);
        Ok(Self {
            connection,
            socket,
            watchdog: Arc::clone(watchdog),
        })
    }

    /// Shuts the socket down unless the returned guard is dropped before the deadline.
    pub(crate) fn guard(&self, deadline: Instant) -> Guard {
        self.watchdog.guard(&self.socket, deadline)
    }

    /// Shuts the socket down without a close handshake, for a broker that does not read.
    pub(crate) fn abort(&self) {
        // An error means that the socket is already closed.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Performs the close handshake, bounded by [`CLOSE_TIMEOUT`]. Returns the error that had already ended the
    /// connection, if any.
    ///
    /// Call this before dropping the channels and consumers of the connection: their own close handshakes then return
    /// immediately.
    pub(crate) fn close(self) -> Option<amiquip::Error> {
        let _guard = self.guard(Instant::now() + CLOSE_TIMEOUT);
        self.connection.close().err()
    }
}

fn connect(options: &RabbitOptions) -> Result<TcpStream, BrokerError> {
    let addresses = (options.host.as_str(), options.port)
        .to_socket_addrs()
        .map_err(BrokerError::Resolve)?;
    let mut failure = BrokerError::Resolve(io::Error::from(io::ErrorKind::NotFound));
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).and_then(prepare) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = BrokerError::Connect(error),
        }
    }
    Err(failure)
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    // With Nagle's algorithm, a publisher that waits for each confirm sends about 26 messages per second.
    stream.set_nodelay(true)?;
    // For the TLS handshake, which blocks.
    stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    Ok(stream)
}

/// Performs the TLS handshake.
fn encrypt(
    tls: &ClientTls,
    options: &RabbitOptions,
    stream: &mut TcpStream,
) -> Result<ClientConnection, BrokerError> {
    let failed = |reason: String| BrokerError::Tls {
        server: server(options),
        reason,
    };
    let config = tls.config().map_err(|error| failed(error.to_string()))?;
    let name = ClientTls::server_name(&options.host).map_err(|error| failed(error.to_string()))?;
    tls_stream::handshake(config, name, stream).map_err(|error| {
        failed(match tls_config::tls_error(&error) {
            Some(error) => tls_config::explain(error, tls.options()),
            None => format!("the connection broke during the TLS handshake: {error}"),
        })
    })
}

/// With TLS 1.3 a server refuses a client certificate only after the handshake.
fn login_error(error: amiquip::Error, options: &RabbitOptions) -> BrokerError {
    match (&options.tls, tls_config::tls_error(&error)) {
        (Some(tls), Some(cause)) => BrokerError::Tls {
            server: server(options),
            reason: tls_config::explain(cause, tls.options()),
        },
        _ => BrokerError::Login(error),
    }
}

fn server(options: &RabbitOptions) -> String {
    format!("{}:{}", options.host, options.port)
}
