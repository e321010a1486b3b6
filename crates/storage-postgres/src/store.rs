//! The pool, which provides connections for units of work and queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, QueueMode, RecycleError, RecycleResult};
use domain::ports::{Store, StoreError, UnitOfWork};
use storage_sql::UnreadableRows;
use tokio::runtime::Handle;

use crate::checkout::{Checkout, StoreContext};
use crate::commits::CommitWatch;
use crate::connect_error::ConnectError;
use crate::error::pool_error;
use crate::held_positions::HeldPositions;
use crate::options::{CONNECT_TIMEOUT, PgOptions};
use crate::session::{PgSession, connect};
use crate::unit_of_work::PgUnitOfWork;

/// Time since its last use after which a session of the pool is verified.
const VERIFIED_FOR: Duration = Duration::from_secs(1);

/// Time after which a session that does not respond is replaced.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the sessions of the pool, on the store's runtime.
pub(crate) struct Sessions(Arc<StoreContext>);

impl Manager for Sessions {
    type Type = PgSession;
    type Error = ConnectError;

    async fn create(&self) -> Result<PgSession, ConnectError> {
        let options = self.0.options.clone();
        let connecting = async move { connect(&options, &options.database).await };
        let connected = self.0.runtime.spawn(connecting).await;
        connected.unwrap_or_else(|error| {
            Err(ConnectError::Failed {
                server: self.0.options.host.clone(),
                reason: error.to_string(),
            })
        })
    }

    /// Detects a session that the server closed, without a query. A session that was not used for a while is verified with
    /// one: its connection may be interrupted, and its server may have become a standby.
    async fn recycle(
        &self,
        session: &mut PgSession,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectError> {
        if session.signals().is_closed() {
            return Err(RecycleError::message("the session ended"));
        }
        if metrics.last_used() < VERIFIED_FOR {
            return Ok(());
        }
        match session.accepts_writes().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(RecycleError::message("the server is read-only")),
            Err(error) => Err(RecycleError::message(error.to_string())),
        }
    }
}

/// The store. Clones share the pool.
#[derive(Clone)]
pub struct PgStore {
    pool: Pool<Sessions>,
    context: Arc<StoreContext>,
    /// Counts unreadable rows.
    unreadable: Arc<UnreadableRows>,
    /// Total time that callers waited for a connection, in microseconds.
    waited_us: Arc<AtomicU64>,
}

impl PgStore {
    /// Creates a store on the current tokio runtime, which drives all its connections, whichever thread uses them.
    /// Connections are opened on demand.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if there is no runtime, or the pool cannot be built from the options.
    pub fn new(options: &PgOptions) -> Result<Self, StoreError> {
        let runtime = Handle::try_current().map_err(|error| StoreError::Failed(Box::new(error)))?;
        let context = Arc::new(StoreContext {
            runtime,
            options: options.clone(),
            commits: Arc::new(CommitWatch::new(options.commit_timeout)),
            held_positions: HeldPositions::default(),
        });
        let pool = Pool::builder(Sessions(Arc::clone(&context)))
            .max_size(options.pool_size)
            // The session that was used last has its plans and catalog rows in the caches of the processor.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(options.pool_timeout))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(VERIFY_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        Ok(Self {
            pool,
            context,
            unreadable: Arc::default(),
            waited_us: Arc::default(),
        })
    }

    /// Returns the counter of unreadable rows.
    pub(crate) fn unreadable(&self) -> &Arc<UnreadableRows> {
        &self.unreadable
    }

    pub(crate) async fn session(&self) -> Result<Object<Sessions>, StoreError> {
        let began = Instant::now();
        let session = self.pool.get().await;
        let waited_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited_us.fetch_add(waited_us, Ordering::Relaxed);
        session.map_err(pool_error)
    }

    /// Returns the total time that callers waited for a connection.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }

    pub(crate) async fn checkout(&self) -> Result<Checkout, StoreError> {
        let session = self.session().await?;
        Ok(Checkout::new(session, Arc::clone(&self.context)))
    }

    #[cfg(all(test, feature = "test-support"))]
    pub(crate) fn options(&self) -> &PgOptions {
        &self.context.options
    }

    /// Fails while commits hang.
    pub(crate) fn check_commits(&self) -> Result<(), StoreError> {
        self.context.commits.check()
    }

    pub(crate) async fn begin_work(&self) -> Result<PgUnitOfWork, StoreError> {
        self.check_commits()?;
        let checkout = self.checkout_to_write().await?;
        Ok(PgUnitOfWork::new(self.clone(), checkout))
    }

    /// Checks out a connection whose next statement begins a transaction.
    pub(crate) async fn checkout_to_write(&self) -> Result<Checkout, StoreError> {
        let mut checkout = self.checkout().await?;
        checkout.begin();
        Ok(checkout)
    }

    /// Maximum number of connections that can be stale in the pool.
    pub(crate) fn spares(&self) -> usize {
        self.pool.status().max_size
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_work().await?))
    }
}
