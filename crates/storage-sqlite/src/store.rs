//! The store: its threads, and whose turn it is to write.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use domain::monotonic_clock::MonotonicClock;
use domain::ports::{Clock, Store, StoreError, UnitOfWork};
use domain::stored::UnreadableRows;
use tokio::time::timeout;

use crate::error::store_error;
use crate::executor::Executor;
use crate::file_lock::FileLock;
use crate::open::{self, OpenError, Opened};
use crate::options::SqliteOptions;
use crate::order_numbers::OrderNumbers;
use crate::statement;
use crate::unit_of_work::SqliteUnitOfWork;

/// A store in a file. Cloning shares it. The drop of the last clone closes the file, after what is under way: it may block
/// for that long.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

/// Jobs hold none of this: the one that ended last would wait for its own thread.
pub(crate) struct Shared {
    /// None if the store was opened to be read.
    pub(crate) writer: Option<Executor>,
    readers: Executor,
    /// Held by the unit of work that is open. First come, first served.
    turn: Arc<tokio::sync::Mutex<()>>,
    wait: Duration,
    pub(crate) clock: Arc<MonotonicClock>,
    pub(crate) order_numbers: OrderNumbers,
    /// Rows that were left out.
    pub(crate) unreadable: Arc<UnreadableRows>,
    path: PathBuf,
    /// Given back after the connections are closed.
    _lock: Option<FileLock>,
}

impl SqliteStore {
    /// Opens a store as the one process that uses it: takes the file's lock, creates the file if there is none, brings it
    /// up to date, and frees the outbox entries that a process which died had claimed. Blocks meanwhile.
    ///
    /// # Errors
    /// [`OpenError`], in one line for whoever chose the file.
    pub fn open(options: &SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = open::exclusively(&options.path, options.readers, options.wait)?;
        Self::start(options, opened, clock)
    }

    /// Opens a store that exists for queries and audits alone, also while another process uses it. Blocks meanwhile. A
    /// unit of work cannot be begun.
    ///
    /// # Errors
    /// [`OpenError`], in one line for whoever chose the file.
    pub fn open_read_only(
        options: &SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let opened = open::to_read(&options.path, options.readers, options.wait)?;
        Self::start(options, opened, clock)
    }

    fn start(
        options: &SqliteOptions,
        opened: Opened,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let threads_failed = |reason| OpenError::Io {
            path: options.path.clone(),
            reason,
        };
        let writer = opened
            .writer
            .map(|writer| Executor::start("writer", vec![writer]));
        let shared = Shared {
            writer: writer.transpose().map_err(threads_failed)?,
            readers: Executor::start("reader", opened.readers).map_err(threads_failed)?,
            turn: Arc::default(),
            wait: options.wait,
            clock: Arc::new(MonotonicClock::new(clock)),
            order_numbers: OrderNumbers::after(opened.last_order),
            unreadable: Arc::default(),
            path: options.path.clone(),
            _lock: opened.lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Folds the write-ahead log into the file, so that the file alone holds everything: for an end in good order, and
    /// before the file is copied.
    ///
    /// # Errors
    /// [`StoreError`]; the log stays and loses nothing.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await?;
        let writer = self.shared.writer()?;
        writer
            .run(|connection| {
                #[derive(diesel::QueryableByName)]
                struct Checkpoint {
                    #[diesel(sql_type = diesel::sql_types::BigInt)]
                    busy: i64,
                }
                const SQL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
                let done: Vec<Checkpoint> = statement::load(connection, SQL, [])?;
                if done.iter().any(|row| row.busy != 0) {
                    let reason = "another program reads the data file";
                    return Err(StoreError::Unavailable(reason.to_owned()));
                }
                Ok(())
            })
            .await
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs a read on one of the readers' connections.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared.readers.run(job).await
    }

    /// The same, for a read of several statements: each sees what the first sees.
    pub(crate) async fn read_at_once<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(|connection| {
            connection.batch_execute("BEGIN").map_err(store_error)?;
            let answer = job(connection);
            connection.batch_execute("ROLLBACK").map_err(store_error)?;
            answer
        })
        .await
    }

    pub(crate) async fn begin_work(&self) -> Result<SqliteUnitOfWork, StoreError> {
        self.shared.writer()?;
        let turn = self.turn().await?;
        SqliteUnitOfWork::begin(Arc::clone(&self.shared), turn).await
    }

    async fn turn(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, StoreError> {
        timeout(self.shared.wait, Arc::clone(&self.shared.turn).lock_owned())
            .await
            .map_err(|_| {
                StoreError::Unavailable(format!(
                    "the units of work before this one did not end within {} ms",
                    self.shared.wait.as_millis()
                ))
            })
    }
}

impl Shared {
    pub(crate) fn writer(&self) -> Result<&Executor, StoreError> {
        self.writer
            .as_ref()
            .ok_or_else(|| StoreError::Failed("the store was opened to be read".into()))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_work().await?))
    }
}
