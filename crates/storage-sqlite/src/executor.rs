//! Threads that each own a reading connection and run jobs one at a time. Module `writer` has the thread that writes.
//!
//! SQLite blocks, so it must not run on the threads of the async runtime. A dedicated thread was measured to be faster
//! than a blocking task per call, as in diesel-async's wrapper.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use domain::ports::StoreError;
use tokio::sync::oneshot;
use tracing::error;

type Job = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

/// Sends jobs to its threads. Dropping it waits until the posted jobs are done and the connections are closed.
pub(crate) struct Executor {
    /// Unbounded: the number of callers limits it. `None` only during drop.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Executor {
    /// Starts one thread per connection.
    pub(crate) fn start(name: &str, connections: Vec<SqliteConnection>) -> io::Result<Self> {
        let (jobs, queue) = unbounded();
        let threads = connections
            .into_iter()
            .enumerate()
            .map(|(index, connection)| {
                let queue = queue.clone();
                thread::Builder::new()
                    .name(format!("sqlite-{name}-{index}"))
                    .spawn(move || run_all(connection, &queue))
            });
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Runs a job and returns its result. The job also runs if the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let job = move |connection: &mut SqliteConnection| {
            // The caller may have stopped waiting.
            let _ = sender.send(job(connection));
        };
        if let Some(jobs) = &self.jobs {
            // The threads outlive this sender.
            let _ = jobs.send(Box::new(job));
        }
        receiver
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".to_owned())))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // The panic was already logged by its thread.
            let _ = thread.join();
        }
    }
}

fn run_all(mut connection: SqliteConnection, jobs: &Receiver<Job>) {
    for job in jobs {
        // The caller is notified by the dropped sender of the result. The connection is reused, so a transaction that
        // the job left open is rolled back; there may be none.
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            error!("store call panicked");
            let _ = connection.batch_execute("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::Connection as _;

    use super::*;

    #[tokio::test]
    async fn a_panicking_call_leaves_no_transaction_open() {
        let connection = SqliteConnection::establish(":memory:").unwrap();
        let executor = Executor::start("test", vec![connection]).unwrap();
        let begin = |connection: &mut SqliteConnection| {
            let begun = connection.batch_execute("BEGIN");
            begun.map_err(crate::error::store_error)
        };
        let panicked: Result<(), StoreError> = executor
            .run(move |connection| {
                begin(connection)?;
                panic!("a job of a test");
            })
            .await;
        assert!(panicked.is_err());
        executor.run(begin).await.unwrap();
    }
}
