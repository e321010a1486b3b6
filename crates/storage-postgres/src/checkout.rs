//! A connection checked out of the pool that never returns in a state its next user would not expect.
//!
//! A pool takes a connection back as it is: with an open transaction and its locks, or with a running statement whose
//! result is not awaited. This type therefore tracks the state of the connection, and its drop cleans up. A connection
//! is reused only after success, a constraint violation or a serialization failure; a session that rejects writes, or
//! whose prepared statements no longer match the tables, is closed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::StoreError;
use futures_util::future::{Either, join, select};
use storage_sql::Statement;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::commits::{CommitWatch, PendingCommit};
use crate::error::{leaves_session_usable, store_error};
use crate::held_positions::HeldPositions;
use crate::options::PgOptions;
use crate::session::{PgSession, cancel_and_close};
use crate::statement;
use crate::store::Sessions;
use crate::wire::ServerError;

/// Maximum time for cleaning up before the connection is closed.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// Time that the server may need, after the statement timeout, to report that it has cancelled a statement.
const RESPONSE_MARGIN: Duration = Duration::from_secs(5);

/// SQLSTATE of a lock timeout, and of a `NOWAIT` lock that is not free.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// State of the connection.
#[derive(Debug)]
enum State {
    /// Not in use.
    Idle,
    /// A transaction begins with the next statement, which is sent together with `BEGIN`.
    Unbegun,
    /// A transaction is open and no statement is running.
    InTransaction,
    /// A statement is running. If it is still running on drop, its future was dropped.
    Busy,
    /// A commit was sent. It must not be cancelled.
    Committing(PendingCommit),
    /// A statement failed such that the session is not reused.
    Unusable,
    /// The transaction could not begin, and nothing was done.
    BeginFailed,
}

/// A connection in use.
pub(crate) struct Checkout {
    /// `None` only during drop.
    session: Option<Object<Sessions>>,
    state: State,
    /// Details that the server sent with the last error.
    last_error: Option<ServerError>,
    context: Arc<StoreContext>,
}

/// State shared by all checkouts of a store.
pub(crate) struct StoreContext {
    /// Runtime of the clean-up: that of the store, because the runtime on which a checkout is dropped may be shutting
    /// down.
    pub(crate) runtime: Handle,
    pub(crate) options: PgOptions,
    pub(crate) commits: Arc<CommitWatch>,
    pub(crate) held_positions: HeldPositions,
}

impl StoreContext {
    /// Returns the client-side timeout of a statement. The server limits each statement; this limits the wait for a
    /// server that is unreachable.
    fn call_timeout(&self) -> Duration {
        self.options.statement_timeout + RESPONSE_MARGIN
    }
}

impl Checkout {
    pub(crate) fn new(session: Object<Sessions>, context: Arc<StoreContext>) -> Self {
        // Discards an error of the previous user. That of its NOTIFY may still arrive, and precede the errors of this one.
        session.signals().take_error();
        Self {
            session: Some(session),
            state: State::Idle,
            last_error: None,
            context,
        }
    }

    /// Returns whether vendor stock rows were held recently, for all sessions of the store.
    pub(crate) fn held_positions(&self) -> &HeldPositions {
        &self.context.held_positions
    }

    /// Returns whether the last failure was a lock timeout, or a `NOWAIT` lock that was not free.
    pub(crate) fn lock_timed_out(&self) -> bool {
        let error = self.last_error.as_ref();
        error.is_some_and(|error| error.code == LOCK_NOT_AVAILABLE)
    }

    /// Runs a statement that returns rows.
    pub(crate) async fn load<R>(&mut self, statement: &Statement) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        self.call(async |connection| statement::load(connection, statement).await)
            .await
    }

    /// Runs a statement that returns the number of affected rows.
    pub(crate) async fn execute(&mut self, statement: &Statement) -> Result<usize, StoreError> {
        self.call(async |connection| statement::execute(connection, statement).await)
            .await
    }

    /// Sends three statements that return rows together.
    pub(crate) async fn load_three<A, B, C>(
        &mut self,
        statements: &[Statement; 3],
    ) -> Result<(Vec<A>, Vec<B>, Vec<C>), StoreError>
    where
        A: QueryableByName<Pg> + Send + 'static,
        B: QueryableByName<Pg> + Send + 'static,
        C: QueryableByName<Pg> + Send + 'static,
    {
        self.call(async |connection| statement::load_three(connection, statements).await)
            .await
    }

    /// Sends statements together, and returns the number of rows that each affected.
    pub(crate) async fn execute_all(
        &mut self,
        statements: &[Statement],
    ) -> Result<Vec<usize>, StoreError> {
        self.call(async |connection| statement::execute_all(connection, statements).await)
            .await
    }

    /// Runs a command without parameters.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.call(async |mut connection| connection.batch_execute(sql).await)
            .await
    }

    /// Begins a transaction with the next statement, without a round trip of its own.
    pub(crate) fn begin(&mut self) {
        self.state = State::Unbegun;
    }

    /// Begins a read-only transaction with one snapshot, taken by its first statement.
    pub(crate) async fn begin_to_read(&mut self) -> Result<(), StoreError> {
        self.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        self.state = State::InTransaction;
        Ok(())
    }

    /// Commits the transaction. On a timeout the outcome is unknown: the commit may still happen. `next` is a command that the
    /// server executes after the commit, whatever the outcome of both; its result is not awaited.
    pub(crate) async fn commit(&mut self, next: Option<&'static str>) -> Result<(), StoreError> {
        if matches!(self.state, State::Unbegun) {
            self.state = State::Idle;
            return Ok(());
        }
        let commits = &self.context.commits;
        let (limit, pending) = (commits.timeout, commits.begin());
        self.state = State::Committing(pending);
        let session = self.session()?;
        session.signals().take_warning();
        session.signals().take_error();
        let outcome = timeout(limit, commit_then(&session.connection, next)).await;
        let warning = session.signals().take_warning();
        let server = session.signals().take_error();
        let Ok(result) = outcome else {
            // The state remains `Committing`.
            return Err(StoreError::CommitUnknown(format!(
                "no response within {} ms",
                limit.as_millis()
            )));
        };
        match (result, warning) {
            (Ok(()), None) => {
                self.state = State::Idle;
                Ok(())
            }
            (Ok(()), Some(warning)) => {
                self.state = State::Unusable;
                Err(StoreError::CommitUnknown(warning))
            }
            // The server reports that it did not commit.
            (Err(error), _) if server.as_ref().is_some_and(|server| !server.fatal) => {
                let usable = leaves_session_usable(server.as_ref());
                self.state = if usable { State::Idle } else { State::Unusable };
                Err(store_error(error, server.as_ref()))
            }
            (Err(error), warning) => {
                self.state = State::Unusable;
                let reason = warning.unwrap_or_else(|| error.to_string());
                Err(StoreError::CommitUnknown(reason))
            }
        }
    }

    /// Returns whether a transaction could not begin on a connection that was used before: nothing was done on it, and
    /// another one may work.
    pub(crate) fn can_begin_on_another(&self) -> bool {
        matches!(self.state, State::BeginFailed) && self.is_reused()
    }

    /// Closes the connection, and frees its place in the pool.
    pub(crate) fn close(&mut self) {
        self.state = State::Unusable;
        drop(Discard(self.session.take()));
    }

    /// Returns whether the connection was used before, so that a first failure on it may not occur on a new connection.
    fn is_reused(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| Object::metrics(session).recycle_count > 0)
    }

    /// Returns whether the session ended while it was in the pool, if this is the first failure on it: the server's last
    /// message may be read before the socket is seen to be closed.
    pub(crate) fn is_stale(&self) -> bool {
        let error = self.last_error.as_ref();
        let session = self.session.as_ref();
        self.is_reused()
            && (error.is_some_and(|error| error.fatal)
                || session.is_some_and(|session| session.signals().is_closed()))
    }

    fn session(&mut self) -> Result<&mut PgSession, StoreError> {
        self.session
            .as_deref_mut()
            .ok_or_else(|| StoreError::Failed("the connection was closed".into()))
    }

    /// Runs statements with a timeout, and updates the state by their outcome.
    async fn call<T>(
        &mut self,
        statements: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        if !matches!(
            self.state,
            State::Idle | State::Unbegun | State::InTransaction
        ) {
            let text = "a statement after a failed one on the same connection";
            return Err(StoreError::Failed(text.into()));
        }
        let mut before = std::mem::replace(&mut self.state, State::Busy);
        let begins = matches!(before, State::Unbegun);
        if begins {
            before = State::InTransaction;
        }
        let call_timeout = self.context.call_timeout();
        let connection = &self.session()?.connection;
        let call = async {
            if begins {
                join(statement::begin(connection), statements(connection)).await
            } else {
                (Ok(()), statements(connection).await)
            }
        };
        match timeout(call_timeout, call).await {
            Ok((Ok(()), Ok(value))) => {
                // Of the NOTIFY of the previous user.
                self.session()?.signals().take_error();
                self.state = before;
                Ok(value)
            }
            Ok((Ok(()), Err(error))) => {
                self.last_error = self.session()?.signals().take_error();
                let server = self.last_error.as_ref();
                self.state = if leaves_session_usable(server) {
                    before
                } else {
                    State::Unusable
                };
                Err(store_error(error, server))
            }
            Ok((Err(error), outcome)) => {
                self.state = match &outcome {
                    Ok(_) => State::Unusable,
                    Err(_) => State::BeginFailed,
                };
                self.last_error = self.session()?.signals().take_error();
                let error = store_error(error, self.last_error.as_ref());
                // Without a transaction the server commits each statement on its own.
                Err(match outcome {
                    Ok(_) => StoreError::CommitUnknown(format!(
                        "a statement ran without its transaction: {error}"
                    )),
                    Err(_) => error,
                })
            }
            // The state remains `Busy`: the result may still arrive.
            Err(_) => Err(StoreError::Unavailable(
                "the database did not respond in time".to_owned(),
            )),
        }
    }
}

/// Sends a commit and the next command together, and returns the result of the commit.
async fn commit_then(
    mut connection: &AsyncPgConnection,
    next: Option<&'static str>,
) -> QueryResult<()> {
    let Some(next) = next else {
        return connection.batch_execute("COMMIT").await;
    };
    let mut after = connection;
    let commit = pin!(connection.batch_execute("COMMIT"));
    match select(commit, pin!(after.batch_execute(next))).await {
        Either::Left((committed, _)) => committed,
        Either::Right((_, commit)) => commit.await,
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let runtime = &self.context.runtime;
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle | State::Unbegun => drop(session),
            State::InTransaction => {
                runtime.spawn(roll_back(Discard(Some(session))));
            }
            State::Busy => {
                let context = Arc::clone(&self.context);
                runtime.spawn(cancel(Discard(Some(session)), context));
            }
            State::Committing(pending) => {
                runtime.spawn(await_commit(Discard(Some(session)), pending));
            }
            // The server rolls back when the session is closed.
            State::Unusable | State::BeginFailed => drop(Discard(Some(session))),
        }
    }
}

/// Closes the connection on drop unless it is taken out, including when the runtime shuts down and drops the clean-up
/// task before it ran.
struct Discard(Option<Object<Sessions>>);

impl Drop for Discard {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            drop(Object::take(session));
        }
    }
}

async fn roll_back(mut discard: Discard) {
    let Some(session) = &mut discard.0 else {
        return;
    };
    let rolled_back = timeout(CLEAN_UP_TIMEOUT, session.batch("ROLLBACK")).await;
    if matches!(rolled_back, Ok(Ok(()))) {
        // Clean again: return it to the pool.
        discard.0 = None;
    }
}

/// Cleans up after a statement whose future was dropped. The state of the connection is unknown, so the statement,
/// which may be waiting for a lock, is cancelled on the server, and the connection is closed.
async fn cancel(mut discard: Discard, context: Arc<StoreContext>) {
    if let Some(session) = discard.0.take() {
        cancel_and_close(Object::take(session), &context.options).await;
    }
}

/// Waits for a commit whose caller timed out. Its session keeps its slot in the pool until the server responds, which
/// limits the number of hanging sessions to the size of the pool.
async fn await_commit(mut discard: Discard, pending: PendingCommit) {
    let Some(session) = &mut discard.0 else {
        return;
    };
    // Queued behind the commit, so it returns after the commit.
    let ended = session.batch("").await;
    tracing::info!(
        commit.age_ms = pending.age().as_millis(),
        session_is_open = ended.is_ok(),
        "commit ended after its caller timed out"
    );
}
