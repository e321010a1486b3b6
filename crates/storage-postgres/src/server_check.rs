//! What a program looks at once, when it starts: whether the database is one that it can rely on.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::options::PgOptions;
use crate::session::{ConnectError, open};

/// Longest wait for one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a pooler may give a session the same server connection by chance, while others come and go.
const LOOKS: usize = 3;

/// Who keeps the connections to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// Each session has a connection of its own, directly or through a pooler.
    Session,
    /// A pooler gives each transaction another connection, with which locks, notifications and prepared statements are lost.
    Transaction,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerReport {
    /// Whether what is committed survives a crash of the server's machine.
    pub fsync: bool,
    /// Who keeps the connections.
    pub pooling: PoolingMode,
}

/// Looks at the server with two sessions.
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

/// While one session holds a transaction, the other one keeps its connection to the server, unless a pooler divides them.
async fn pooling(first: &Client, second: &Client) -> Result<PoolingMode, String> {
    for _ in 0..LOOKS {
        let before = backend(first, "SELECT pg_backend_pid()").await?;
        // A pooler that divides even transactions refuses this.
        if backend(second, "BEGIN; SELECT pg_backend_pid()")
            .await
            .is_err()
        {
            return Ok(PoolingMode::Transaction);
        }
        let meanwhile = backend(first, "SELECT pg_backend_pid()").await;
        let ended = backend(second, "ROLLBACK; SELECT pg_backend_pid()").await;
        // A pooler with one connection left makes the first session wait for the second one's transaction.
        let waited = meanwhile.is_err() && ended.is_ok();
        if waited || meanwhile? != before {
            return Ok(PoolingMode::Transaction);
        }
    }
    Ok(PoolingMode::Session)
}

/// The server's process that a session is with.
async fn backend(client: &Client, sql: &str) -> Result<String, String> {
    let said = timeout(STATEMENT_TIMEOUT, client.simple_query(sql))
        .await
        .map_err(|_| "it does not respond in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let row = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.map(str::to_owned)
        .ok_or_else(|| "it does not say which process serves a session".to_owned())
}
