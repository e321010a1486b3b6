//! The HTTP server: where it listens, whom it waits for, and how long.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use actix_web::web::Data;

use crate::app::app;
use crate::state::AppState;

/// Longest wait for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: longer than usual load balancers keep theirs, so that it is never this side
/// that closes a connection on which a request is just being sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a connection that is being closed may still send what nobody reads, so that the client gets to read the
/// answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections of one HTTP thread.
const MAX_CONNECTIONS: usize = 25_000;

/// Most connections that wait to be accepted.
const BACKLOG: u32 = 4_096;

/// How to run the server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// HTTP threads.
    pub workers: usize,
    /// How long requests may take to end at shutdown; rounded up to seconds.
    pub shutdown_timeout: Duration,
}

/// A server that has its port.
pub struct BoundServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends after `shutdown` has, and requests under way have been answered.
    pub server: Server,
}

/// Takes the port and answers requests from then on, until `shutdown` ends. Needs a tokio runtime.
///
/// # Errors
/// The port is taken, or may not be used.
pub fn bind(
    options: &ServerOptions,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<BoundServer> {
    let state = Data::new(state);
    let shutdown_timeout_s = options.shutdown_timeout.as_millis().div_ceil(1_000);
    let server = HttpServer::new(move || app(state.clone()))
        .workers(options.workers)
        .backlog(BACKLOG)
        .max_connections(MAX_CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .shutdown_timeout(u64::try_from(shutdown_timeout_s).unwrap_or(u64::MAX))
        .shutdown_signal(shutdown)
        .bind(options.address)?;
    let address = server.addrs().first().copied().unwrap_or(options.address);
    Ok(BoundServer {
        address,
        server: server.run(),
    })
}
