//! The HTTP server: where it listens, whom it waits for, and how long.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use actix_web::web::Data;
use api_keys::ApiKey;
use http_access::Host;
use thiserror::Error;
use tracing::info;

use crate::access::Gate;
use crate::app::{Entrance, app};
use crate::rate_limit::RateLimit;
use crate::request::body::BodyTimeout;
use crate::state::AppState;
use crate::tls::{self, TlsError, TlsFiles};

/// Longest wait for the head of a request, and before that for the TLS handshake.
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
const BACKLOG: i32 = 4_096;

/// How to run the server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 lets the system choose. Other machines can only be listened to with `keys`.
    pub address: SocketAddr,
    /// HTTP threads.
    pub workers: usize,
    /// Longest time from the head of a request to the end of its body.
    pub body_timeout: Duration,
    /// A client that takes nothing for so long of what is sent to it is cut off.
    pub send_timeout: Duration,
    /// How long requests may take to end at shutdown; rounded up to seconds.
    pub shutdown_timeout: Duration,
    /// Who may call; without any, everyone may who can reach it.
    pub keys: Vec<ApiKey>,
    /// Hosts that requests may name beside loopback. With keys and none of these, any.
    pub allowed_hosts: Vec<Host>,
    /// How often each caller may call.
    pub rate_limit: Option<RateLimit>,
    /// Web pages of these origins may call from a browser; written as browsers send them.
    pub cors_origins: Vec<String>,
    /// TLS; without it, plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// Why a server cannot be run with its options.
#[derive(Debug, Error)]
pub enum StartError {
    /// It would be open to everyone.
    #[error(
        "without API keys only this machine may be listened to, and {0} is open to others: add [[api_keys]] to the settings \
         (`cargo xtask api-key new` makes one), or set api.address to 127.0.0.1"
    )]
    Exposed(IpAddr),
    /// It cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server whose options are good.
pub struct PreparedServer {
    options: ServerOptions,
    entrance: Entrance,
    tls: Option<rustls::ServerConfig>,
}

/// A server that has its port.
pub struct BoundServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends after `shutdown` has, and requests under way have been answered.
    pub server: Server,
}

/// Checks what can be checked before anything else is started.
///
/// # Errors
/// [`StartError`].
pub fn prepare(options: ServerOptions) -> Result<PreparedServer, StartError> {
    let ip = options.address.ip();
    if http_access::is_exposed(ip, !options.keys.is_empty()) {
        return Err(StartError::Exposed(ip));
    }
    let tls = options.tls.as_ref().map(tls::load).transpose()?;
    let cors_origins: Arc<[String]> = options.cors_origins.clone().into();
    let gate = Gate::new(&options.keys, &options.allowed_hosts, options.rate_limit);
    let entrance = Entrance {
        gate: Data::new(gate.with_cors_origins(Arc::clone(&cors_origins))),
        body_timeout: BodyTimeout(options.body_timeout),
        cors_origins,
    };
    Ok(PreparedServer {
        options,
        entrance,
        tls,
    })
}

impl PreparedServer {
    /// Takes the port and answers requests from then on, until `shutdown` ends. Needs a tokio runtime.
    ///
    /// # Errors
    /// The port is taken, or may not be used.
    pub fn bind(
        self,
        state: AppState,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<BoundServer> {
        let Self {
            options,
            entrance,
            tls,
        } = self;
        let state = Data::new(state);
        let shutdown_timeout_s = options.shutdown_timeout.as_millis().div_ceil(1_000);
        let server = HttpServer::new(move || app(state.clone(), &entrance))
            .workers(options.workers)
            .max_connections(MAX_CONNECTIONS)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .tls_handshake_timeout(HEAD_TIMEOUT)
            .tcp_nodelay(true)
            .shutdown_timeout(u64::try_from(shutdown_timeout_s).unwrap_or(u64::MAX))
            .shutdown_signal(shutdown);
        let listener = listen(options.address, options.send_timeout)?;
        let server = match tls {
            None => server.listen(listener),
            Some(tls) => server.listen_rustls_0_23(listener, tls),
        }?;
        let address = server.addrs().first().copied().unwrap_or(options.address);
        if options.keys.is_empty() {
            info!(%address, "there are no API keys: everyone on this machine may do everything, others cannot connect");
        }
        Ok(BoundServer {
            address,
            server: server.run(),
        })
    }
}

/// Takes the port. What holds for the socket that listens holds for the connections that are made to it.
fn listen(address: SocketAddr, send_timeout: Duration) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The one who is made to wait cannot end it: while a client takes nothing, the HTTP server waits for it in silence.
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(send_timeout.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&listener, millis)?;
    }
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use api_keys::{KeyHash, Role};

    use super::*;

    #[test]
    fn without_keys_only_this_machine_is_listened_to() {
        let prepared = |ip: &str, keys: usize| {
            let key = ApiKey {
                name: "a".to_owned(),
                hash: KeyHash::of(b"a"),
                roles: vec![Role::Customer],
            };
            prepare(ServerOptions {
                address: SocketAddr::new(ip.parse().unwrap(), 0),
                workers: 1,
                body_timeout: Duration::from_secs(1),
                send_timeout: Duration::from_secs(1),
                shutdown_timeout: Duration::from_secs(1),
                keys: vec![key; keys],
                allowed_hosts: Vec::new(),
                rate_limit: None,
                cors_origins: Vec::new(),
                tls: None,
            })
            .map(drop)
        };
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(prepared(loopback, 0).is_ok(), "{loopback}");
        }
        for open in ["0.0.0.0", "::", "10.0.0.1", "::ffff:0.0.0.0", "fe80::1"] {
            let error = prepared(open, 0).unwrap_err().to_string();
            assert!(
                error.contains("API keys") && error.contains("api.address"),
                "{error}"
            );
            assert!(prepared(open, 1).is_ok(), "{open}");
        }
    }
}
