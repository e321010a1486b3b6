//! A connection checked out of the pool, which never goes back in a state that its next user would not expect.
//!
//! A pool takes a connection back as it is: with its transaction open and its locks held, or with a statement still
//! running whose answer nobody waits for. So this type knows at each moment what the connection is at, and its drop sees
//! to it. A connection goes back only after success, a constraint violation or a serialization failure: a session that
//! refuses writes, or whose prepared statements no longer fit the tables, is not one for the next user.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::SimpleAsyncConnection as _;
use domain::ports::StoreError;
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::commits::{CommitUnderWay, CommitWatch};
use crate::error::{leaves_session_usable, store_error};
use crate::held_positions::HeldPositions;
use crate::options::PgOptions;
use crate::session::{PgSession, cancel_and_close};
use crate::statement::{self, Bind};
use crate::store::Sessions;
use crate::wire::ServerError;

/// Longest time that cleaning up may take before the connection is given up.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the server may take to tell that it has ended a statement that took too long.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// The SQLSTATE of a wait for a lock that took too long, and of a lock that was not to be waited for.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What the connection is at.
#[derive(Debug)]
enum State {
    /// Nothing.
    Idle,
    /// A transaction is open, no statement runs.
    InTransaction,
    /// A statement runs; if it still does when this is dropped, its future was abandoned.
    Busy,
    /// A commit was sent. It must not be cancelled.
    Committing(CommitUnderWay),
    /// A statement failed in a way after which the session is not used again.
    Spoilt,
}

/// A connection in use.
pub(crate) struct Checkout {
    /// Gone only while this is dropped.
    session: Option<Object<Sessions>>,
    state: State,
    /// The server's part in the last failure.
    last_error: Option<ServerError>,
    home: Arc<Home>,
}

/// Where checkouts come from, and what they share.
pub(crate) struct Home {
    /// Where clean-up runs: the store's runtime, not that of whoever drops a checkout, which may be ending.
    pub(crate) runtime: Handle,
    pub(crate) options: PgOptions,
    pub(crate) commits: Arc<CommitWatch>,
    pub(crate) held_positions: HeldPositions,
}

impl Home {
    /// The server bounds each statement; this bounds the wait for a server that is gone without a word.
    fn patience(&self) -> Duration {
        self.options.statement_timeout + ANSWER_MARGIN
    }
}

impl Checkout {
    pub(crate) fn new(session: Object<Sessions>, home: Arc<Home>) -> Self {
        // A failure of an earlier user is none of this one's.
        session.signals().take_error();
        Self {
            session: Some(session),
            state: State::Idle,
            last_error: None,
            home,
        }
    }

    /// Whether positions were found to be held, for all sessions of the store.
    pub(crate) fn held_positions(&self) -> &HeldPositions {
        &self.home.held_positions
    }

    /// Whether the last failure was a lock that was not free in time, or at once.
    pub(crate) fn has_waited_for_a_lock_in_vain(&self) -> bool {
        let error = self.last_error.as_ref();
        error.is_some_and(|error| error.code == LOCK_NOT_AVAILABLE)
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
        let patience = self.home.patience();
        let call = statement::load(&mut self.session()?.connection, sql, binds);
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
        let patience = self.home.patience();
        let call = statement::execute(&mut self.session()?.connection, sql, binds);
        let answer = timeout(patience, call).await;
        self.leave(before, answer)
    }

    /// Runs a command that has no parameters.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let before = self.enter();
        let patience = self.home.patience();
        let call = self.session()?.connection.batch_execute(sql);
        let answer = timeout(patience, call).await;
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

    /// Ends the transaction. Waits for a bounded time, and then leaves the commit to itself: it may still happen.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        let commits = &self.home.commits;
        let (limit, under_way) = (commits.timeout, commits.begin());
        self.state = State::Committing(under_way);
        let session = self.session()?;
        session.signals().take_warning();
        let answer = timeout(limit, session.connection.batch_execute("COMMIT")).await;
        let warning = session.signals().take_warning();
        let server = session.signals().take_error();
        let Ok(result) = answer else {
            // The state stays Committing.
            return Err(StoreError::CommitUnknown(format!(
                "it takes longer than {} ms",
                limit.as_millis()
            )));
        };
        match (result, warning) {
            (Ok(()), None) => {
                self.state = State::Idle;
                Ok(())
            }
            (Ok(()), Some(warning)) => {
                self.state = State::Spoilt;
                Err(StoreError::CommitUnknown(warning))
            }
            // The server says that it did not commit.
            (Err(error), _) if server.as_ref().is_some_and(|server| !server.fatal) => {
                let usable = leaves_session_usable(server.as_ref());
                self.state = if usable { State::Idle } else { State::Spoilt };
                Err(store_error(error, server.as_ref()))
            }
            (Err(error), warning) => {
                self.state = State::Spoilt;
                let reason = warning.unwrap_or_else(|| error.to_string());
                Err(StoreError::CommitUnknown(reason))
            }
        }
    }

    /// Whether the connection had been used before, so that what fails on it as the first thing may not fail on a new one.
    pub(crate) fn is_reused(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| Object::metrics(session).recycle_count > 0)
    }

    /// Whether the connection was lost while it lay in the pool, as this first failure on it shows: the server's farewell
    /// may be read before the connection is seen to be closed.
    pub(crate) fn went_stale(&self) -> bool {
        let farewell = self
            .last_error
            .as_ref()
            .is_some_and(ServerError::is_shutdown);
        let closed = self
            .session
            .as_ref()
            .is_some_and(|session| session.signals().is_closed());
        self.is_reused() && (farewell || closed)
    }

    fn session(&mut self) -> Result<&mut PgSession, StoreError> {
        self.session
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
            Ok(Ok(value)) => {
                self.state = before;
                Ok(value)
            }
            Ok(Err(error)) => {
                self.last_error = self.session()?.signals().take_error();
                let server = self.last_error.as_ref();
                self.state = if leaves_session_usable(server) {
                    before
                } else {
                    State::Spoilt
                };
                Err(store_error(error, server))
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
        let Some(session) = self.session.take() else {
            return;
        };
        let runtime = &self.home.runtime;
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => drop(session),
            State::InTransaction => {
                runtime.spawn(roll_back(Discard(Some(session))));
            }
            State::Busy => {
                let home = Arc::clone(&self.home);
                runtime.spawn(cancel(Discard(Some(session)), home));
            }
            State::Committing(under_way) => {
                runtime.spawn(await_commit(Discard(Some(session)), under_way));
            }
            // The server rolls back when it reads that the session is closed.
            State::Spoilt => drop(Discard(Some(session))),
        }
    }
}

/// A connection that is closed instead of going back, unless it is taken out. Also when the runtime ends and drops the
/// clean-up before it began.
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
        // Clean again: back to the pool.
        discard.0 = None;
    }
}

/// The statement's answer was abandoned with its future, so the connection's state is not known: the statement is
/// cancelled on the server, which may be waiting for a lock, and the connection is closed.
async fn cancel(mut discard: Discard, home: Arc<Home>) {
    if let Some(session) = discard.0.take() {
        cancel_and_close(Object::take(session), &home.options).await;
    }
}

/// A commit that nobody waits for any more: its session keeps its place in the pool until the server responds, so that no
/// more than the pool's size hang.
async fn await_commit(mut discard: Discard, under_way: CommitUnderWay) {
    let Some(session) = &mut discard.0 else {
        return;
    };
    // Sent behind the commit, and so answered after it.
    let ended = session.batch("").await;
    tracing::info!(
        commit.age_ms = under_way.age().as_millis(),
        session_is_open = ended.is_ok(),
        "a commit that nobody waited for has ended"
    );
}
