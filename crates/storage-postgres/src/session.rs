//! A session with the server: how it is opened, set up and looked after, for whatever purpose.
//!
//! The driver's own way to connect reduces errors to their text, drops the server's notices, and puts settings into the
//! startup message, of which pgbouncer drops them. So the session is built here.

use std::error::Error;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::Pg;
use diesel::{ConnectionError, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::StoreError;
use thiserror::Error;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, SimpleQueryMessage};

use crate::dial::{Wire, dial};
use crate::error::store_error;
use crate::options::{CONNECT_TIMEOUT, PgOptions};
use crate::statement::{self, Bind};
use crate::wire::{Signals, Tap};

/// Why there is no session.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing accepts connections there, or it does not respond in time. Transient.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
    /// The server does not let this user into this database. A retry fails again until somebody changes something.
    #[error("{server} refused the login: {reason}")]
    Refused {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
    /// The server is a standby, or its sessions are read-only. Transient: another one may be the primary.
    #[error("{server} is read-only: {reason}")]
    ReadOnly {
        /// Host and port.
        server: String,
        /// The cause.
        reason: &'static str,
    },
    /// The server, or what is between, did something else than it was asked to.
    #[error("{server}: {reason}")]
    Failed {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
}

impl ConnectError {
    /// Whether a retry fails until somebody changes a setting or the server.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A session of the store.
pub(crate) struct PgSession {
    pub(crate) connection: AsyncPgConnection,
    signals: Arc<Signals>,
    driver: AbortHandle,
    /// Of several hosts the one that it is with.
    host: String,
}

impl PgSession {
    /// Runs a statement that returns rows.
    pub(crate) async fn load<R>(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        let loaded = statement::load(&mut self.connection, sql, binds).await;
        self.sorted(loaded)
    }

    /// Runs commands that have no parameters.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = self.connection.batch_execute(sql).await;
        self.sorted(done)
    }

    fn sorted<T>(&self, result: QueryResult<T>) -> Result<T, StoreError> {
        let error = self.signals.take_error();
        result.map_err(|failure| store_error(failure, error.as_ref()))
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Waits for a notification.
    ///
    /// # Errors
    /// If the session ended.
    pub(crate) async fn notified(&self) -> Result<(), StoreError> {
        self.signals.notified.notified().await;
        if self.signals.is_closed() {
            return Err(StoreError::Unavailable("the session ended".to_owned()));
        }
        Ok(())
    }

    /// Closes the socket without waiting for a statement that runs.
    pub(crate) fn abort(self) {
        self.driver.abort();
    }
}

/// What a new session says of its server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerFacts {
    /// Whether the server makes what it commits durable at all.
    pub(crate) fsync: bool,
}

/// Opens a session in a database, ready for use cases: with the store's settings in force, on a server that takes writes.
/// With several hosts (names with commas between) the first such server is taken.
pub(crate) async fn connect(
    options: &PgOptions,
    database: &str,
) -> Result<PgSession, ConnectError> {
    let opened = open(options, database).await?;
    let server = format!("{}:{}", opened.host, options.port);
    let failed = |error: ConnectionError| ConnectError::Failed {
        server,
        reason: error.to_string(),
    };
    let connection = AsyncPgConnection::try_from(opened.client)
        .await
        .map_err(failed)?;
    Ok(PgSession {
        connection,
        signals: opened.signals,
        driver: opened.driver,
        host: opened.host,
    })
}

/// A session that the driver has not taken over yet.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) facts: ServerFacts,
    host: String,
    signals: Arc<Signals>,
    driver: AbortHandle,
}

/// Opens a session and puts the store's settings in force.
pub(crate) async fn open(options: &PgOptions, database: &str) -> Result<Opened, ConnectError> {
    let hosts: Vec<&str> = options.host.split(',').map(str::trim).collect();
    let limit = CONNECT_TIMEOUT / u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let mut last = None;
    for host in hosts {
        let opened = timeout(limit, open_on(options, host, database)).await;
        let error = match opened {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => error,
            Err(_) => ConnectError::Unreachable {
                server: format!("{host}:{}", options.port),
                reason: format!("it does not respond within {} ms", limit.as_millis()),
            },
        };
        // A login that is refused says more than a host that is not there.
        if error.is_permanent() || !last.as_ref().is_some_and(ConnectError::is_permanent) {
            last = Some(error);
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::Failed {
        server: String::new(),
        reason: "no host is set".to_owned(),
    }))
}

async fn open_on(options: &PgOptions, host: &str, database: &str) -> Result<Opened, ConnectError> {
    let server = format!("{host}:{}", options.port);
    let wire = dial(host, options.port)
        .await
        .map_err(|error| ConnectError::Unreachable {
            server: server.clone(),
            reason: error.to_string(),
        })?;
    let signals = Arc::new(Signals::default());
    let (client, connection) = options
        .startup(database)
        .connect_raw(Tap::new(wire, Arc::clone(&signals)), NoTls)
        .await
        .map_err(|error| login_error(&error, options, server.clone()))?;
    let driver = tokio::spawn(drive(connection, Arc::clone(&signals))).abort_handle();
    let failed = |reason| ConnectError::Failed {
        server: server.clone(),
        reason,
    };
    let said = client
        .simple_query(&options.settings_sql())
        .await
        .map_err(|error| failed(chain(&error)))?;
    let facts = check(&said, options, &server)?;
    // What failed before belongs to no statement.
    signals.take_error();
    Ok(Opened {
        client,
        facts,
        host: host.to_owned(),
        signals,
        driver,
    })
}

/// Whether the settings are in force, and the server takes writes.
fn check(
    said: &[SimpleQueryMessage],
    options: &PgOptions,
    server: &str,
) -> Result<ServerFacts, ConnectError> {
    let rows = said.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = rows.last().ok_or_else(|| ConnectError::Failed {
        server: server.to_owned(),
        reason: "the settings of the session cannot be read back".to_owned(),
    })?;
    let value = |name: &str| row.try_get(name).ok().flatten().unwrap_or_default();
    for (name, expected) in options.settings() {
        let found = value(name);
        if found != expected {
            return Err(ConnectError::Failed {
                server: server.to_owned(),
                reason: format!(
                    "a session has the setting {name} = {found:?} instead of {expected:?}"
                ),
            });
        }
    }
    let read_only = |reason| ConnectError::ReadOnly {
        server: server.to_owned(),
        reason,
    };
    if value("in_recovery") != "f" {
        return Err(read_only("it is a standby"));
    }
    if value("transaction_read_only") != "off" {
        return Err(read_only("default_transaction_read_only is on"));
    }
    Ok(ServerFacts {
        fsync: value("fsync") != "off",
    })
}

/// Why a login failed, from what the driver says.
fn login_error(error: &tokio_postgres::Error, options: &PgOptions, server: String) -> ConnectError {
    let reason = chain(error);
    let Some(code) = error.code() else {
        let is_io = matches!(error.source(), Some(cause) if cause.is::<io::Error>());
        if options.password.is_none() && !is_io && !error.is_closed() {
            let user = &options.user;
            let reason = format!("user {user:?} needs a password, and none is set");
            return ConnectError::Refused { server, reason };
        }
        return ConnectError::Unreachable { server, reason };
    };
    // Invalid authorization, no such database, no right to connect.
    let code = code.code();
    if code.starts_with("28") || code == "3D000" || code == "42501" {
        ConnectError::Refused { server, reason }
    } else {
        ConnectError::Failed { server, reason }
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

/// Carries a session until it ends.
async fn drive(mut connection: Connection<Tap<Box<dyn Wire>>, NoTlsStream>, signals: Arc<Signals>) {
    // Also when this is aborted.
    let closing = Closing(signals);
    let signals = &closing.0;
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                // A warning, or a shutdown while a commit waits for a standby.
                if matches!(notice.code().code(), "01000" | "57P01") {
                    signals.warn(notice.message());
                }
                tracing::debug!(
                    severity = notice.severity(),
                    message = notice.message(),
                    "the database sent a notice"
                );
            }
            Some(Ok(AsyncMessage::Notification(_))) => signals.notified.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(error = chain(&error), "a session with the database broke");
                return;
            }
            None => return,
        }
    }
}

struct Closing(Arc<Signals>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Longest time for a request to cancel a statement.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Cancels the statement that a session runs, then closes the session.
pub(crate) async fn cancel_and_close(session: PgSession, options: &PgOptions) {
    let token = session.connection.cancel_token();
    let cancel = async {
        let wire = dial(&session.host, options.port).await?;
        let cancelled = token.cancel_query_raw(wire, NoTls).await;
        cancelled.map_err(io::Error::other)
    };
    if !matches!(timeout(CANCEL_TIMEOUT, cancel).await, Ok(Ok(()))) {
        tracing::debug!("an abandoned statement could not be cancelled; its connection is closed");
    }
    session.abort();
}
