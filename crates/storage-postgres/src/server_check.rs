//! Checks once, at the start of a program, whether the database is reliable.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connect_error::ConnectError;
use crate::options::PgOptions;
use crate::session::open;

/// Timeout of one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// Number of attempts, because a pooler may give a session the same server connection by chance.
const ATTEMPTS: usize = 3;

/// Assignment of server connections to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// Each session has a connection of its own, directly or through a pooler.
    Session,
    /// A pooler assigns a connection per transaction, which breaks locks, notifications and prepared statements.
    Transaction,
}

/// Result of [`check_server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerReport {
    /// Whether committed data survives a crash of the server's machine.
    pub fsync: bool,
    /// Assignment of server connections to sessions.
    pub pooling: PoolingMode,
}

/// Checks the server with two sessions.
///
/// # Errors
/// [`ConnectError`].
pub async fn check_server(options: &PgOptions) -> Result<ServerReport, ConnectError> {
    let first = open(options, &options.database).await?;
    let second = open(options, &options.database).await?;
    let facts = first.facts;
    let pooling = pooling(&first.client, &second.client)
        .await
        .map_err(|reason| ConnectError::Failed {
            server: format!("{}:{}", options.host, options.port),
            reason,
        })?;
    Ok(ServerReport {
        fsync: facts.fsync,
        pooling,
    })
}

/// Detects the pooling mode: while one session holds a transaction, the other keeps its server connection unless a
/// pooler assigns connections per transaction.
async fn pooling(first: &Client, second: &Client) -> Result<PoolingMode, String> {
    for _ in 0..ATTEMPTS {
        let before = backend(first, "SELECT pg_backend_pid()").await?;
        // A pooler that assigns connections per statement rejects this.
        if backend(second, "BEGIN; SELECT pg_backend_pid()")
            .await
            .is_err()
        {
            return Ok(PoolingMode::Transaction);
        }
        let meanwhile = backend(first, "SELECT pg_backend_pid()").await;
        let ended = backend(second, "ROLLBACK; SELECT pg_backend_pid()").await;
        // With a single server connection, such a pooler makes the first session wait for the transaction of the
        // second.
        let waited = meanwhile.is_err() && ended.is_ok();
        if waited || meanwhile? != before {
            return Ok(PoolingMode::Transaction);
        }
    }
    Ok(PoolingMode::Session)
}

/// Returns the id of the server process of a session.
async fn backend(client: &Client, sql: &str) -> Result<String, String> {
    let messages = timeout(STATEMENT_TIMEOUT, client.simple_query(sql))
        .await
        .map_err(|_| "the server did not respond in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.map(str::to_owned)
        .ok_or_else(|| "the server returned no process id".to_owned())
}
