//! The pool, and what begins units of work and queries on it.

use std::time::Duration;

use async_trait::async_trait;
use deadpool::Runtime;
use diesel::ConnectionError;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::{Store, StoreError, UnitOfWork};
use futures_util::FutureExt as _;
use tokio::runtime::Handle;

use crate::checkout::Checkout;
use crate::error::pool_error;
use crate::options::{CONNECT_TIMEOUT, PgOptions};
use crate::unit_of_work::PgUnitOfWork;

/// What the server may take to tell that it has ended a statement that took too long.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// The store. Cloning shares the pool.
#[derive(Clone)]
pub struct PgStore {
    pool: Pool<AsyncPgConnection>,
    runtime: Handle,
    patience: Duration,
}

impl PgStore {
    /// Makes a store on the current tokio runtime, on which all its connections live from then on, whichever thread asks
    /// for them. Connects when it is first used, and again whenever it must.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if there is no runtime, or the pool cannot be built from the options.
    pub fn new(options: &PgOptions) -> Result<Self, StoreError> {
        let runtime = Handle::try_current().map_err(|error| StoreError::Failed(Box::new(error)))?;
        let mut config = ManagerConfig::default();
        // A connection that the server closed is noticed without a query; whoever begins on it bears the rest.
        config.recycling_method = RecyclingMethod::Fast;
        let home = runtime.clone();
        config.custom_setup = Box::new(move |url| {
            let connecting = home.spawn(connect(url.to_owned()));
            async move {
                connecting
                    .await
                    .map_err(|error| ConnectionError::BadConnection(error.to_string()))?
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(
            options.connection_string(&options.database),
            config,
        );
        let pool = Pool::builder(manager)
            .max_size(options.pool_size)
            .wait_timeout(Some(options.pool_wait))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(Duration::from_secs(1)))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        Ok(Self {
            pool,
            runtime,
            patience: options.statement_timeout + ANSWER_MARGIN,
        })
    }

    pub(crate) async fn connection(&self) -> Result<Object<AsyncPgConnection>, StoreError> {
        self.pool.get().await.map_err(|error| pool_error(&error))
    }

    pub(crate) async fn checkout(&self) -> Result<Checkout, StoreError> {
        let connection = self.connection().await?;
        Ok(Checkout::new(
            connection,
            self.runtime.clone(),
            self.patience,
        ))
    }

    pub(crate) async fn begin_work(&self) -> Result<PgUnitOfWork, StoreError> {
        let mut spares = self.spares();
        loop {
            let mut checkout = self.checkout().await?;
            match checkout.begin().await {
                Ok(()) => return Ok(PgUnitOfWork::begun(checkout)),
                // Nothing was done on it yet, so another one will do.
                Err(_) if spares > 0 && checkout.is_reused() => spares -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// At most so many connections can have gone stale in the pool.
    pub(crate) fn spares(&self) -> usize {
        self.pool.status().max_size
    }
}

/// Opens a connection for whatever purpose.
pub(crate) async fn connect(url: String) -> diesel::ConnectionResult<AsyncPgConnection> {
    let mut connection = AsyncPgConnection::establish(&url).await?;
    // Errors are told apart by message where the driver has no kind for them. A role that may not set this keeps the
    // server's language, and is not asked to, so that the server's log stays clean.
    connection
        .batch_execute(
            "SELECT set_config('lc_messages', 'C', false) FROM pg_roles \
             WHERE rolname = current_user AND rolsuper",
        )
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_work().await?))
    }
}
