//! The thread that owns the writing connection. Tasks that mostly write run on it too.
//!
//! A call from another thread is a job that this thread receives, and costs two thread switches. A call of a task on this
//! thread runs immediately, in the task: it would have to wait for the connection anyway.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use domain::ports::StoreError;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tracing::error;

type Job = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The connections of the writer whose thread this is.
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
}

/// The connections of the writer's thread, and the jobs from other threads.
struct Home {
    id: u64,
    writer: SqliteConnection,
    /// Reads of tasks on this thread: the writing connection may be within a transaction of another thread.
    reader: SqliteConnection,
    jobs: UnboundedReceiver<Job>,
}

/// Runs jobs on the writing connection, in the order in which they were posted. Dropping it waits until the posted jobs are
/// done and the connections are closed, except on its own thread, which ends later.
pub(crate) struct Writer {
    id: u64,
    /// Unbounded: the sender either waits for the result or is a drop, which must not wait. `None` only during drop.
    jobs: Option<UnboundedSender<Job>>,
    runtime: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(writer: SqliteConnection, reader: SqliteConnection) -> io::Result<Self> {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, jobs) = unbounded_channel();
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let home = Home {
            id,
            writer,
            reader,
            jobs,
        };
        let thread = thread::Builder::new().name("sqlite-writer".to_owned());
        let thread = thread.spawn(move || run_all(runtime, home))?;
        Ok(Self {
            id,
            jobs: Some(sender),
            runtime: handle,
            thread: Some(thread),
        })
    }

    /// Returns the runtime of the writer's thread, which has timers and no network.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Returns whether the caller runs on the writer's thread.
    pub(crate) fn is_current_thread(&self) -> bool {
        let is_home = |home: &RefCell<Option<Home>>| match home.try_borrow() {
            Ok(home) => home.as_ref().is_some_and(|home| home.id == self.id),
            // Within a job, which drops the last handle of a store.
            Err(_) => true,
        };
        // Other threads may drop the last handle when they end.
        HOME.try_with(is_home).unwrap_or(false)
    }

    /// Runs a job and returns its result. The job also runs if the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.is_current_thread() {
            return here(|home| {
                // A rollback, for example, is posted before the lock for writing is released.
                home.run_posted();
                run_job(&mut home.writer, job)
            });
        }
        let (sender, receiver) = oneshot::channel();
        self.post(move |connection| {
            // The caller may have stopped waiting.
            let _ = sender.send(job(connection));
        });
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs a read. The caller must be on the writer's thread.
    pub(crate) fn read_here<T>(
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        here(|home| run_job(&mut home.reader, job))
    }

    /// Queues a job behind those that were posted before, without waiting for it.
    pub(crate) fn post(&self, job: impl FnOnce(&mut SqliteConnection) + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // The thread outlives this sender.
            let _ = jobs.send(Box::new(job));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let is_current_thread = self.is_current_thread();
        if let Some(thread) = self.thread.take().filter(|_| !is_current_thread) {
            // The panic was already logged by its thread.
            let _ = thread.join();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn here<T>(job: impl FnOnce(&mut Home) -> Result<T, StoreError>) -> Result<T, StoreError> {
    HOME.with_borrow_mut(|home| home.as_mut().ok_or_else(closed).and_then(job))
}

/// Runs jobs until the sender is dropped, and the tasks of the runtime meanwhile.
fn run_all(runtime: Runtime, home: Home) {
    HOME.set(Some(home));
    runtime.block_on(poll_fn(|context| {
        HOME.with_borrow_mut(|home| {
            home.as_mut()
                .map_or(Poll::Ready(()), |home| home.poll(context))
        })
    }));
    drop(runtime);
    HOME.take();
}

/// Runs a job. The connection is reused, so a transaction that a panicking job left open is rolled back; there may be none.
fn run_job<T>(
    connection: &mut SqliteConnection,
    job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(|| job(connection))).unwrap_or_else(|_| {
        error!("store call panicked");
        let _ = connection.batch_execute("ROLLBACK");
        Err(closed())
    })
}

impl Home {
    /// Runs the jobs that were posted. Completes when there will be no more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(job) = std::task::ready!(self.jobs.poll_recv(context)) {
            self.run(job);
        }
        Poll::Ready(())
    }

    fn run_posted(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.run(job);
        }
    }

    fn run(&mut self, job: Job) {
        // The caller is notified by the dropped sender of the result.
        let _ = run_job(&mut self.writer, |connection| {
            job(connection);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use diesel::Connection as _;

    use super::*;

    fn writer() -> Arc<Writer> {
        let connect = || SqliteConnection::establish(":memory:").unwrap();
        Arc::new(Writer::start(connect(), connect()).unwrap())
    }

    fn begin(connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let begun = connection.batch_execute("BEGIN");
        begun.map_err(crate::error::store_error)
    }

    async fn assert_open_transaction_is_rolled_back(writer: &Writer) {
        let panicked: Result<(), StoreError> = writer
            .run(|connection| {
                begin(connection)?;
                panic!("a job of a test");
            })
            .await;
        assert!(panicked.is_err());
        writer.run(begin).await.unwrap();
    }

    #[tokio::test]
    async fn a_panicking_call_leaves_no_transaction_open() {
        assert_open_transaction_is_rolled_back(&writer()).await;
    }

    #[tokio::test]
    async fn a_panicking_call_of_a_task_on_the_thread_leaves_no_transaction_open() {
        let writer = writer();
        let on_thread = Arc::clone(&writer);
        let task = async move { assert_open_transaction_is_rolled_back(&on_thread).await };
        writer.runtime().spawn(task).await.unwrap();
    }

    #[tokio::test]
    async fn jobs_of_other_threads_run_before_later_calls_of_tasks_on_the_thread() {
        let writer = writer();
        let on_thread = Arc::clone(&writer);
        let task = writer.runtime().spawn(async move {
            for _ in 0..100 {
                on_thread.run(begin).await.unwrap();
                let other = Arc::clone(&on_thread);
                let posting = thread::spawn(move || {
                    other.post(|connection| connection.batch_execute("ROLLBACK").unwrap());
                });
                // Blocks the thread: the job can only run within the next call.
                posting.join().unwrap();
            }
        });
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_writer_that_is_dropped_on_its_own_thread_ends() {
        let writer = writer();
        let runtime = writer.runtime().clone();
        let ended = runtime.spawn(std::future::pending::<()>());
        runtime.spawn(async move { drop(writer) });
        assert!(ended.await.unwrap_err().is_cancelled());
    }
}
