//! One transaction on one pooled connection.

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::{StoreError, UnitOfWork};
use domain::timestamp::Timestamp;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::error::store_error;
use crate::rows::{MomentRow, from_pg};
use crate::statement::{self, Bind};

/// Longest time that cleaning up after an abandoned unit of work may take before its connection is given up.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// A transaction that has begun.
pub(crate) struct PgUnitOfWork {
    /// Gone once the transaction is over.
    connection: Option<Object<AsyncPgConnection>>,
    /// Whether a statement is under way: if it still is when the unit is dropped, its future was abandoned.
    busy: bool,
    /// Whether a statement failed. PostgreSQL answers a COMMIT with a rollback then, and calls it a success.
    failed: bool,
}

impl PgUnitOfWork {
    /// Begins a transaction on a connection from the pool.
    pub(crate) async fn begin(connection: Object<AsyncPgConnection>) -> Result<Self, StoreError> {
        let mut work = Self {
            connection: Some(connection),
            busy: true,
            failed: false,
        };
        let begun = work.connection()?.batch_execute("BEGIN").await;
        work.busy = false;
        match begun {
            Ok(()) => Ok(work),
            Err(error) => {
                work.connection.take().map(Object::take);
                Err(store_error(error))
            }
        }
    }

    fn connection(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        self.connection
            .as_deref_mut()
            .ok_or_else(|| StoreError::Failed("the unit of work is over".into()))
    }

    /// Runs a statement that returns rows.
    pub(crate) async fn load<R>(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        self.busy = true;
        let loaded = statement::load(self.connection()?, sql, binds).await;
        self.busy = false;
        self.failed |= loaded.is_err();
        loaded.map_err(store_error)
    }

    /// Runs a statement that returns a number of rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<usize, StoreError> {
        self.busy = true;
        let executed = statement::execute(self.connection()?, sql, binds).await;
        self.busy = false;
        self.failed |= executed.is_err();
        executed.map_err(store_error)
    }
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        let rows: Vec<MomentRow> = self
            .load("SELECT clock_timestamp() AS moment", Vec::new())
            .await?;
        rows.first()
            .map(|row| from_pg(row.moment))
            .ok_or_else(|| StoreError::Failed("the server did not tell the time".into()))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed(
                "a unit of work cannot be committed after a call that failed".into(),
            ));
        }
        self.busy = true;
        let committed = self.connection()?.batch_execute("COMMIT").await;
        self.busy = false;
        match committed {
            Ok(()) => {
                // Back to the pool, clean.
                self.connection = None;
                Ok(())
            }
            Err(error) => Err(store_error(error)),
        }
    }
}

impl Drop for PgUnitOfWork {
    /// Releases the locks at once. A pool that takes the connection back as it is would not: the transaction would stay
    /// open until somebody uses the connection again.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            // Nobody is left to talk to the server: closing the connection rolls back.
            drop(Object::take(connection));
            return;
        };
        if self.busy {
            runtime.spawn(cancel(connection));
        } else {
            runtime.spawn(roll_back(connection));
        }
    }
}

async fn roll_back(mut connection: Object<AsyncPgConnection>) {
    let rolled_back = timeout(CLEAN_UP_TIMEOUT, connection.batch_execute("ROLLBACK")).await;
    if !matches!(rolled_back, Ok(Ok(()))) {
        drop(Object::take(connection));
    }
}

/// The statement's answer was abandoned with its future, so the connection's state is not known: the statement is
/// cancelled on the server, which may be waiting for a lock, and the connection is closed.
async fn cancel(connection: Object<AsyncPgConnection>) {
    let connection = Object::take(connection);
    let cancelled = timeout(
        CLEAN_UP_TIMEOUT,
        connection.cancel_token().cancel_query(NoTls),
    )
    .await;
    if !matches!(cancelled, Ok(Ok(()))) {
        tracing::debug!("an abandoned statement could not be cancelled; its connection is closed");
    }
    drop(connection);
}
