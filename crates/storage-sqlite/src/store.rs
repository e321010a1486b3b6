//! The store: its threads, and the lock for writing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use diesel::sqlite::Sqlite;
use diesel::{QueryableByName, SqliteConnection};
use domain::monotonic_clock::MonotonicClock;
use domain::ports::{Clock, Store, StoreError, UnitOfWork};
use storage_sql::{Bind, UnreadableRows};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::error::store_error;
use crate::executor::Executor;
use crate::file_lock::FileLock;
use crate::open::{self, OpenError, Opened};
use crate::options::SqliteOptions;
use crate::order_numbers::OrderNumbers;
use crate::statement;
use crate::unit_of_work::{Durability, SqliteUnitOfWork};
use crate::writer::Writer;

/// A store in a file. Clones share it. Dropping the last clone closes the file. It blocks until the running calls have ended,
/// except on the writer's thread, which ends later.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

/// State shared by the clones. Jobs of readers must not hold a reference: the last one to end would join its own thread.
pub(crate) struct Shared {
    /// `None` if the store is read-only.
    pub(crate) writer: Option<Writer>,
    readers: Executor,
    /// Held by the open unit of work; waiters are served in order.
    write_lock: Arc<tokio::sync::Mutex<()>>,
    wait: Duration,
    pub(crate) clock: Arc<MonotonicClock>,
    pub(crate) order_numbers: OrderNumbers,
    /// Counts unreadable rows.
    pub(crate) unreadable: Arc<UnreadableRows>,
    path: PathBuf,
    /// Released after the connections are closed.
    _lock: Option<FileLock>,
}

impl SqliteStore {
    /// Opens a store as the only process that uses it: takes the lock of the file, creates the file if it does not
    /// exist, runs pending migrations, and releases the outbox claims of a process that died. Blocks meanwhile.
    ///
    /// # Errors
    /// [`OpenError`], whose message fits on one line.
    pub fn open(options: &SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = open::exclusively(&options.path, options.readers, options.wait)?;
        Self::start(options, opened, clock)
    }

    /// Opens an existing store read-only for queries and audits, even while another process uses it. Blocks meanwhile.
    /// [`Store::begin`] fails.
    ///
    /// # Errors
    /// [`OpenError`], whose message fits on one line.
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
            .map(|(writer, reader)| Writer::start(writer, reader));
        let shared = Shared {
            writer: writer.transpose().map_err(threads_failed)?,
            readers: Executor::start("reader", opened.readers).map_err(threads_failed)?,
            write_lock: Arc::default(),
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

    /// Returns the path of the data file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Copies the write-ahead log into the data file, so that the file alone is complete: for a regular shutdown, and
    /// before the file is copied.
    ///
    /// # Errors
    /// [`StoreError`]; the log is kept, and no data is lost.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let _write_guard = self.lock_writer().await?;
        let writer = self.shared.writer()?;
        writer
            .run(|connection| {
                #[derive(diesel::QueryableByName)]
                struct Checkpoint {
                    #[diesel(sql_type = diesel::sql_types::BigInt)]
                    busy: i64,
                }
                const SQL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
                let done: Vec<Checkpoint> = statement::load(connection, SQL, Vec::new())?;
                if done.iter().any(|row| row.busy != 0) {
                    let reason = "another program is reading the data file";
                    return Err(StoreError::Unavailable(reason.to_owned()));
                }
                Ok(())
            })
            .await
    }

    /// Returns the runtime of the thread that writes; `None` if the store is read-only. The calls of its tasks need no thread
    /// switch. For tasks that mostly write: they share one thread, which also waits for the disk. The runtime has timers and
    /// no network, and its tasks are dropped with the last clone of the store, so a task that holds one has to end first.
    #[must_use]
    pub fn writer_runtime(&self) -> Option<Handle> {
        let writer = self.shared.writer.as_ref();
        writer.map(|writer| writer.runtime().clone())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs a read on one of the reader connections; on the writer's thread, on its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.shared.writer {
            Some(writer) if writer.is_current_thread() => Writer::read_here(job),
            _ => self.shared.readers.run(job).await,
        }
    }

    /// Runs a read of one statement.
    pub(crate) async fn load<R>(
        &self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Sqlite> + Send + 'static,
    {
        self.read(move |connection| statement::load(connection, sql, binds))
            .await
    }

    /// Runs a read of several statements with one snapshot.
    pub(crate) async fn read_at_once<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(|connection| {
            connection.batch_execute("BEGIN").map_err(store_error)?;
            let result = job(connection);
            connection.batch_execute("ROLLBACK").map_err(store_error)?;
            result
        })
        .await
    }

    pub(crate) async fn begin_work(
        &self,
        durability: Durability,
    ) -> Result<SqliteUnitOfWork, StoreError> {
        if self.shared.writer()?.is_current_thread() {
            // The calls on this thread do not suspend their task: the other tasks run between two units of work.
            yield_now().await;
        }
        let write_guard = self.lock_writer().await?;
        SqliteUnitOfWork::begin(Arc::clone(&self.shared), write_guard, durability).await
    }

    async fn lock_writer(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, StoreError> {
        timeout(
            self.shared.wait,
            Arc::clone(&self.shared.write_lock).lock_owned(),
        )
        .await
        .map_err(|_| {
            StoreError::Unavailable(format!(
                "the previous units of work did not end within {} ms",
                self.shared.wait.as_millis()
            ))
        })
    }
}

impl Shared {
    pub(crate) fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer
            .as_ref()
            .ok_or_else(|| StoreError::Failed("the store is read-only".into()))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_work(Durability::Full).await?))
    }

    async fn begin_relaxed(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_work(Durability::Relaxed).await?))
    }
}
