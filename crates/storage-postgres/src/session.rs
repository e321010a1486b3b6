//! A session with the server: opening, configuring and driving it.
//!
//! The session is built here because the driver's own connect function reduces errors to their text, drops the server's
//! notices, and puts settings into the startup message, where pgbouncer drops them.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::Pg;
use diesel::{ConnectionError, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::StoreError;
use storage_sql::{Bind, Statement};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, SimpleQueryMessage};

use crate::connect_error::{ConnectError, chain, login_error};
use crate::dial::{Wire, dial};
use crate::error::store_error;
use crate::options::{CONNECT_TIMEOUT, PgOptions};
use crate::statement;
use crate::wire::{Signals, Tap};

/// SQL condition that the server accepts writes.
macro_rules! accepts_writes {
    () => {
        "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'"
    };
}
pub(crate) use accepts_writes;

/// A session of the store.
pub(crate) struct PgSession {
    pub(crate) connection: AsyncPgConnection,
    signals: Arc<Signals>,
    driver: AbortHandle,
    /// The host of this session, of several configured ones.
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
        let loaded = statement::load(&self.connection, &Statement::new(sql, binds)).await;
        self.classified(loaded)
    }

    /// Runs commands without parameters.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = self.connection.batch_execute(sql).await;
        self.classified(done)
    }

    fn classified<T>(&self, result: QueryResult<T>) -> Result<T, StoreError> {
        let error = self.signals.take_error();
        result.map_err(|failure| store_error(failure, error.as_ref()))
    }

    /// Returns whether the server accepts writes: a standby and a read-only session also respond to queries.
    pub(crate) async fn accepts_writes(&mut self) -> Result<bool, StoreError> {
        const SQL: &str = concat!("SELECT ", accepts_writes!(), " AS flag");
        Ok(storage_sql::flag(&self.load(SQL, Vec::new()).await?))
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

    /// Closes the socket without waiting for a running statement.
    pub(crate) fn abort(self) {
        self.driver.abort();
    }
}

/// Properties of the server of a new session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerFacts {
    /// Whether the server flushes commits to the disk.
    pub(crate) fsync: bool,
}

/// Opens a session in a database with the store's settings, on a server that accepts writes. Of several hosts (names
/// separated by commas), the first such server is used.
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

/// A session before it is passed to the driver.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) facts: ServerFacts,
    host: String,
    signals: Arc<Signals>,
    driver: AbortHandle,
}

/// Opens a session and applies the store's settings.
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
                reason: format!("no response within {} ms", limit.as_millis()),
            },
        };
        // A rejected login is more informative than an unreachable host.
        if error.is_permanent() || !last.as_ref().is_some_and(ConnectError::is_permanent) {
            last = Some(error);
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::Failed {
        server: String::new(),
        reason: "no host is configured".to_owned(),
    }))
}

async fn open_on(options: &PgOptions, host: &str, database: &str) -> Result<Opened, ConnectError> {
    let server = format!("{host}:{}", options.port);
    let wire = dial(host, options.port, options.tls.as_ref()).await?;
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
    let messages = client
        .simple_query(&options.settings_sql())
        .await
        .map_err(|error| failed(chain(&error)))?;
    let facts = check(&messages, options, &server)?;
    // Discards errors of the setup.
    signals.take_error();
    Ok(Opened {
        client,
        facts,
        host: host.to_owned(),
        signals,
        driver,
    })
}

/// Checks that the settings are in force and that the server accepts writes.
fn check(
    messages: &[SimpleQueryMessage],
    options: &PgOptions,
    server: &str,
) -> Result<ServerFacts, ConnectError> {
    let rows = messages.iter().filter_map(|message| match message {
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
        return Err(read_only("the server is a standby"));
    }
    if value("transaction_read_only") != "off" {
        return Err(read_only("default_transaction_read_only is on"));
    }
    Ok(ServerFacts {
        fsync: value("fsync") != "off",
    })
}

/// Drives a session until it ends.
async fn drive(mut connection: Connection<Tap<Box<dyn Wire>>, NoTlsStream>, signals: Arc<Signals>) {
    // Dropped when the task is aborted, too.
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
                    "database sent a notice"
                );
            }
            Some(Ok(AsyncMessage::Notification(_))) => signals.notified.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(error = chain(&error), "database session failed");
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

/// Timeout of a cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Cancels the running statement of a session, then closes the session.
pub(crate) async fn cancel_and_close(session: PgSession, options: &PgOptions) {
    let token = session.connection.cancel_token();
    let cancel = async {
        let wire = dial(&session.host, options.port, options.tls.as_ref()).await?;
        let cancelled = token.cancel_query_raw(wire, NoTls).await;
        cancelled.map_err(|error| ConnectError::Unreachable {
            server: format!("{}:{}", session.host, options.port),
            reason: chain(&error),
        })
    };
    match timeout(CANCEL_TIMEOUT, cancel).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "cannot cancel an abandoned statement; closing its connection");
        }
        Err(_) => {
            tracing::debug!("cannot cancel an abandoned statement in time; closing its connection");
        }
    }
    session.abort();
}
