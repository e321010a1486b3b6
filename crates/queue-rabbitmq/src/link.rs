//! One TCP and AMQP connection: opened with limits, closed with limits.

use std::io;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Auth, Connection, ConnectionOptions, ConnectionTuning};
use thiserror::Error;

use crate::options::RabbitOptions;
use crate::watchdog::{Guard, Watchdog};

/// Longest wait for a TCP connection to one address, and for each step of the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the answer to one call.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a polite goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Frames under way between a channel and the I/O thread. `amiquip`'s own 16 wakes the I/O thread for every few messages.
const FRAMES_IN_MEMORY: usize = 256;

/// Why a session did not come to be.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    #[error("cannot find the broker's address: {0}")]
    Resolve(io::Error),
    #[error("cannot connect to the broker: {0}")]
    Connect(io::Error),
    #[error("cannot log in to the broker: {0}")]
    Login(amiquip::Error),
    #[error("the broker failed a call: {0}")]
    Call(#[from] amiquip::Error),
    #[error(
        "{name} exists on the broker with other arguments than this program needs: {reason}; remove it once `rabbitmqctl \
         list_queues name messages` counts 0 and orders.dead exists"
    )]
    OtherArguments { name: String, reason: String },
    #[error("the broker refused to declare {name}: {reason}")]
    Refused { name: String, reason: String },
}

/// Bytes that wait for the socket before `amiquip` makes publishers wait. Its own 16 MiB is memory for nothing: what a
/// broker does not read is given up and sent again.
const MAX_UNSENT_BYTES: usize = 1024 * 1024;

/// An open connection. It is to be closed with [`Link::close`]: merely dropped, it may wait long for a frozen broker.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    socket: Arc<TcpStream>,
    watchdog: Arc<Watchdog>,
}

impl Link {
    /// Connects and logs in.
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, LinkError> {
        let stream = connect(options)?;
        let socket = stream.try_clone().map_err(LinkError::Connect)?;
        let stream = mio::net::TcpStream::from_stream(stream).map_err(LinkError::Connect)?;
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
        // The client's own timeout starts over with every byte: this one does not.
        let guard = watchdog.guard(&socket, Instant::now() + 2 * CONNECT_TIMEOUT);
        let tuning = ConnectionTuning::default()
            .mem_channel_bound(FRAMES_IN_MEMORY)
            .buffered_writes_high_water(MAX_UNSENT_BYTES);
        let connection =
            Connection::insecure_open_stream(stream, login, tuning).map_err(LinkError::Login)?;
        drop(guard);
        Ok(Self {
            connection,
            socket,
            watchdog: Arc::clone(watchdog),
        })
    }

    /// Breaks the connection if what follows has not ended by then.
    pub(crate) fn guard(&self, deadline: Instant) -> Guard {
        self.watchdog.guard(&self.socket, deadline)
    }

    /// Breaks the connection without a goodbye: for a broker that does not read what we send.
    pub(crate) fn sever(&self) {
        // An error says that it is broken already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Says goodbye, within bounds. Returns why the connection had ended already, if it had.
    ///
    /// To be called before the channels and consumers of the connection are dropped: their own goodbyes then return at
    /// once.
    pub(crate) fn close(self) -> Option<amiquip::Error> {
        let _guard = self.guard(Instant::now() + CLOSE_TIMEOUT);
        self.connection.close().err()
    }
}

fn connect(options: &RabbitOptions) -> Result<TcpStream, LinkError> {
    let addresses = (options.host.as_str(), options.port)
        .to_socket_addrs()
        .map_err(LinkError::Resolve)?;
    let mut failure = LinkError::Resolve(io::Error::from(io::ErrorKind::NotFound));
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).and_then(prepare) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = LinkError::Connect(error),
        }
    }
    Err(failure)
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    // Without it a publisher that waits for its confirms sends some 26 messages a second.
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
