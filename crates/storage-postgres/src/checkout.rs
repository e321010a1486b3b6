//! A connection checked out of the pool, which never goes back in a state that its next user would not expect.
//!
//! A pool takes a connection back as it is: with its transaction open and its locks held, or with a statement still
//! running whose answer nobody waits for. So this type knows at each moment what the connection is at, and its drop sees
//! to it.

use std::time::Duration;

use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::StoreError;
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::error::store_error;
use crate::statement::{self, Bind};

/// Longest time that cleaning up may take before the connection is given up.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the connection is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing.
    Idle,
    /// A transaction is open, no statement runs.
    InTransaction,
    /// A statement runs; if it still does when this is dropped, its future was abandoned.
    Busy,
}

/// A connection in use.
pub(crate) struct Checkout {
    /// Gone only while this is dropped.
    connection: Option<Object<AsyncPgConnection>>,
    state: State,
    /// Where clean-up runs: the store's runtime, not that of whoever drops this, which may be ending.
    runtime: Handle,
    /// The server bounds each statement; this bounds the wait for a server that is gone without a word.
    patience: Duration,
}

impl Checkout {
    pub(crate) fn new(
        connection: Object<AsyncPgConnection>,
        runtime: Handle,
        patience: Duration,
    ) -> Self {
        Self {
            connection: Some(connection),
            state: State::Idle,
            runtime,
            patience,
        }
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
        let before = self.enter();
        let patience = self.patience;
        let call = statement::load(self.connection()?, sql, binds);
        let answer = timeout(patience, call).await;
        self.leave(before, answer)
    }

    /// Runs a statement that answers with a number of rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<usize, StoreError> {
        let before = self.enter();
        let patience = self.patience;
        let call = statement::execute(self.connection()?, sql, binds);
        let answer = timeout(patience, call).await;
        self.leave(before, answer)
    }

    /// Runs a command that has no parameters.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let before = self.enter();
        let answer = timeout(self.patience, self.connection()?.batch_execute(sql)).await;
        self.leave(before, answer)
    }

    /// Begins a transaction: at this isolation level whatever the server's default is, because what is locked must be
    /// read as the last holder left it.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        self.command("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            .await?;
        self.state = State::InTransaction;
        Ok(())
    }

    /// Begins a transaction that reads everything as of one moment, its first statement's.
    pub(crate) async fn begin_to_read(&mut self) -> Result<(), StoreError> {
        self.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        self.state = State::InTransaction;
        Ok(())
    }

    /// Ends the transaction.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        self.command("COMMIT").await?;
        self.state = State::Idle;
        Ok(())
    }

    /// Whether the connection had been used before, so that what fails on it as the first thing may not fail on a new one.
    pub(crate) fn is_reused(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| Object::metrics(connection).recycle_count > 0)
    }

    /// Whether the connection was lost while it lay in the pool, as this first failure on it shows: the server's farewell
    /// may be read before the connection is seen to be closed.
    pub(crate) fn went_stale(&mut self, failure: &StoreError) -> bool {
        let farewell = matches!(failure, StoreError::Unavailable(reason) if reason.starts_with("terminating connection"));
        let closed = self
            .connection
            .as_mut()
            .is_some_and(|connection| connection.is_broken());
        self.is_reused() && (farewell || closed)
    }

    fn connection(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        self.connection
            .as_deref_mut()
            .ok_or_else(|| StoreError::Failed("the connection is gone".into()))
    }

    fn enter(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Busy)
    }

    fn leave<T>(
        &mut self,
        before: State,
        answer: Result<QueryResult<T>, Elapsed>,
    ) -> Result<T, StoreError> {
        match answer {
            Ok(result) => {
                self.state = before;
                result.map_err(store_error)
            }
            // The state stays Busy: the answer may still come, to nobody.
            Err(_) => Err(StoreError::Unavailable(
                "the database did not answer in time".to_owned(),
            )),
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match self.state {
            State::Idle => drop(connection),
            State::InTransaction => {
                self.runtime.spawn(roll_back(Discard(Some(connection))));
            }
            State::Busy => {
                self.runtime.spawn(cancel(Discard(Some(connection))));
            }
        }
    }
}

/// A connection that is closed instead of going back, unless it is taken out. Also when the runtime ends and drops the
/// clean-up before it began.
struct Discard(Option<Object<AsyncPgConnection>>);

impl Drop for Discard {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

async fn roll_back(mut discard: Discard) {
    let Some(connection) = &mut discard.0 else {
        return;
    };
    let rolled_back = timeout(CLEAN_UP_TIMEOUT, connection.batch_execute("ROLLBACK")).await;
    if matches!(rolled_back, Ok(Ok(()))) {
        // Clean again: back to the pool.
        discard.0 = None;
    }
}

/// The statement's answer was abandoned with its future, so the connection's state is not known: the statement is
/// cancelled on the server, which may be waiting for a lock, and the connection is closed.
async fn cancel(discard: Discard) {
    let Some(connection) = &discard.0 else {
        return;
    };
    let token = connection.cancel_token();
    let cancelled = timeout(CLEAN_UP_TIMEOUT, token.cancel_query(NoTls)).await;
    if !matches!(cancelled, Ok(Ok(()))) {
        tracing::debug!("an abandoned statement could not be cancelled; its connection is closed");
    }
}
