//! The HTTP server: its options, limits and timeouts.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use actix_web::web::Data;
use api_keys::ApiKey;
use domain::services::OrderBatcherSettings;
use http_access::Host;
use thiserror::Error;
use tls_config::{Identity, TlsFileError};
use tracing::info;

use crate::change_feed::ChangeFeedSettings;
use crate::middleware::auth::Authenticator;
use crate::middleware::rate_limit::RateLimit;
use crate::request::body::BodyTimeout;
use crate::routes::{HttpContext, app};
use crate::state::AppState;

/// Timeout for the head of a request, and for the TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which an idle connection is closed: longer than that of common load balancers, so that the server does not
/// close a connection on which a request is just being sent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Time for which a closing connection discards incoming data, so that the client can still read the response.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of connections per HTTP thread.
const MAX_CONNECTIONS: usize = 25_000;

/// Maximum number of connections waiting to be accepted.
const BACKLOG: i32 = 4_096;

/// The options of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The address to listen on. Port 0 lets the system choose. An address other than loopback requires `keys`.
    pub address: SocketAddr,
    /// Number of HTTP threads.
    pub workers: usize,
    /// Maximum time from the head of a request to the end of its body.
    pub body_timeout: Duration,
    /// Time after which a client that accepts no data is disconnected.
    pub send_timeout: Duration,
    /// Maximum time for requests to finish at shutdown, rounded up to seconds; and for pending orders after that.
    pub shutdown_timeout: Duration,
    /// Time at shutdown for which requests are served as usual while each response closes its connection.
    pub drain_time: Duration,
    /// The limits of the batches in which orders are written.
    pub batcher: OrderBatcherSettings,
    /// Number of tasks that write batches of orders.
    pub batch_writers: usize,
    /// The limits of event streams.
    pub change_feed: ChangeFeedSettings,
    /// The API keys. Without keys, every client that can connect may call the API.
    pub keys: Vec<ApiKey>,
    /// Allowed hosts of requests, in addition to loopback. With keys and an empty list, every host is allowed.
    pub allowed_hosts: Vec<Host>,
    /// The rate limit of each caller.
    pub rate_limit: Option<RateLimit>,
    /// Origins whose web pages may call the API, in the format of the `Origin` header.
    pub cors_origins: Vec<String>,
    /// TLS certificate and key, which are read again for each connection; `None` for plain HTTP.
    pub tls: Option<Identity>,
}

/// An error in the options of a server.
#[derive(Debug, Error)]
pub enum StartError {
    /// The server would be open to other machines without API keys.
    #[error(
        "without API keys the server may listen only on a loopback address, and {0} is not one: add [[api_keys]] to the \
         settings (`order-aggregator-admin api-key new` creates a key), or set api.address to 127.0.0.1"
    )]
    Exposed(IpAddr),
    /// The socket that was passed to the process is not usable.
    #[error("the address of the socket that was passed to this program cannot be read: {0}")]
    Socket(#[source] io::Error),
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
}

/// A server with valid options.
pub struct PreparedServer {
    options: ServerOptions,
    /// A socket that is already bound; `None` to bind the address of the options.
    listener: Option<TcpListener>,
    context: HttpContext,
    tls: Option<rustls::ServerConfig>,
}

/// A server that is bound to its port.
pub(crate) struct BoundServer {
    pub(crate) address: SocketAddr,
    /// Completes after `shutdown`, when the requests in progress are finished.
    pub(crate) server: Server,
}

/// Validates the options, before anything else is started.
///
/// # Errors
/// [`StartError`].
pub fn prepare(options: ServerOptions) -> Result<PreparedServer, StartError> {
    let ip = options.address.ip();
    if http_access::is_exposed(ip, !options.keys.is_empty()) {
        return Err(StartError::Exposed(ip));
    }
    let tls = options
        .tls
        .clone()
        .map(tls_config::server_config)
        .transpose()?;
    let cors_origins: Arc<[String]> = options.cors_origins.clone().into();
    let authenticator =
        Authenticator::new(&options.keys, &options.allowed_hosts, options.rate_limit);
    let context = HttpContext {
        authenticator: Data::new(authenticator.with_cors_origins(Arc::clone(&cors_origins))),
        body_timeout: BodyTimeout(options.body_timeout),
        cors_origins,
    };
    Ok(PreparedServer {
        options,
        listener: None,
        context,
        tls,
    })
}

impl PreparedServer {
    /// Serves on a socket that is already bound, instead of the address of the options, if there is one.
    ///
    /// # Errors
    /// [`StartError`]: the socket would be open to other machines without API keys, or is not usable.
    pub fn with_listener(self, listener: Option<TcpListener>) -> Result<Self, StartError> {
        if let Some(listener) = &listener {
            let ip = listener.local_addr().map_err(StartError::Socket)?.ip();
            if http_access::is_exposed(ip, !self.options.keys.is_empty()) {
                return Err(StartError::Exposed(ip));
            }
        }
        Ok(Self { listener, ..self })
    }

    /// Whether the socket was passed to the process, so that connections wait in it for the next one.
    pub(crate) fn has_passed_listener(&self) -> bool {
        self.listener.is_some()
    }

    pub(crate) fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// Binds the port and serves requests until `shutdown` completes. Requires a tokio runtime.
    pub(crate) fn bind(
        self,
        state: AppState,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<BoundServer> {
        let Self {
            options,
            listener,
            context,
            tls,
        } = self;
        let state = Data::new(state);
        let shutdown_timeout_s = options.shutdown_timeout.as_millis().div_ceil(1_000);
        let server = HttpServer::new(move || app(state.clone(), &context))
            .workers(options.workers)
            .max_connections(MAX_CONNECTIONS)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .tls_handshake_timeout(HEAD_TIMEOUT)
            .tcp_nodelay(true)
            .shutdown_timeout(u64::try_from(shutdown_timeout_s).unwrap_or(u64::MAX))
            .shutdown_signal(shutdown);
        let bound = listener.map_or_else(|| TcpListener::bind(options.address), Ok)?;
        let listener = listen(bound, options.send_timeout)?;
        let server = match tls {
            None => server.listen(listener),
            Some(tls) => server.listen_rustls_0_23(listener, tls),
        }?;
        let address = server.addrs().first().copied().unwrap_or(options.address);
        if options.keys.is_empty() {
            info!(%address, "there are no API keys: any process on this machine has full access, other machines have none");
        }
        Ok(BoundServer {
            address,
            server: server.run(),
        })
    }
}

/// Listens on a bound socket. Accepted connections inherit its options.
fn listen(listener: TcpListener, send_timeout: Duration) -> io::Result<TcpListener> {
    // Set on the socket, because the HTTP server has no timeout for clients that accept no data.
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
    use api_keys::{Grant, KeyHash, Role};

    use super::*;

    #[test]
    fn server_without_keys_listens_only_on_loopback() {
        let prepared = |ip: &str, keys: usize| {
            let key = ApiKey {
                name: "a".to_owned(),
                hash: KeyHash::of(b"a"),
                grant: Grant::Roles(vec![Role::Customer]),
            };
            prepare(ServerOptions {
                address: SocketAddr::new(ip.parse().unwrap(), 0),
                workers: 1,
                body_timeout: Duration::from_secs(1),
                send_timeout: Duration::from_secs(1),
                shutdown_timeout: Duration::from_secs(1),
                drain_time: Duration::ZERO,
                batcher: OrderBatcherSettings {
                    max_batch: 1,
                    max_waiting: 1,
                },
                batch_writers: 1,
                change_feed: ChangeFeedSettings {
                    max_event_streams: 1,
                    max_bytes: 1,
                    bytes_per_second: 1,
                },
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
