//! The pool, and what begins units of work and queries on it.

use std::time::Duration;

use async_trait::async_trait;
use deadpool::Runtime;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::{Store, StoreError, UnitOfWork};
use futures_util::FutureExt as _;

use crate::error::pool_error;
use crate::options::{CONNECT_TIMEOUT, PgOptions};
use crate::unit_of_work::PgUnitOfWork;

/// The store. Cloning shares the pool.
#[derive(Clone)]
pub struct PgStore {
    pool: Pool<AsyncPgConnection>,
}

impl PgStore {
    /// Makes a store; connects when it is first used, and again whenever it must.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the pool cannot be built from the options.
    pub fn new(options: &PgOptions) -> Result<Self, StoreError> {
        let mut config = ManagerConfig::default();
        // A connection that the server closed is noticed without a query; `begin` bears the rest.
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(|url| connect(url.to_owned()).boxed());
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
        Ok(Self { pool })
    }

    pub(crate) async fn connection(&self) -> Result<Object<AsyncPgConnection>, StoreError> {
        self.pool.get().await.map_err(|error| pool_error(&error))
    }
}

/// Opens a connection for whatever purpose.
pub(crate) async fn connect(url: String) -> diesel::ConnectionResult<AsyncPgConnection> {
    let mut connection = AsyncPgConnection::establish(&url).await?;
    // Errors are told apart by message where the driver has no kind for them. A role that may not set this keeps the
    // server's language.
    let _ = connection.batch_execute("SET lc_messages TO 'C'").await;
    Ok(connection)
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut spare = self.pool.status().max_size;
        loop {
            match PgUnitOfWork::begin(self.connection().await?).await {
                Ok(work) => return Ok(Box::new(work)),
                // A connection may have gone stale in the pool. Nothing was done on it yet, so take another: at most as
                // often as there can be stale ones.
                Err(error) if spare == 0 => return Err(error),
                Err(_) => spare -= 1,
            }
        }
    }
}
