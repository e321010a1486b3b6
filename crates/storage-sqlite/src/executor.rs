//! Threads that own connections and run what they are given, one thing at a time each.
//!
//! SQLite blocks, so it may not run on the threads of the async runtime. Measured against a blocking task for each call,
//! which is what diesel-async's wrapper does, a thread of its own is faster and gives what a unit of work needs besides:
//! what is posted runs in the order in which it was posted, whoever has stopped waiting for it.

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

/// Hands jobs to its threads. Its drop waits until they have done what was posted before and closed their connections.
pub(crate) struct Executor {
    /// Unbounded: whoever posts waits for the answer, or is a drop that must not wait. Gone only while this is dropped.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Executor {
    /// Starts one thread for each connection.
    pub(crate) fn start(name: &str, connections: Vec<SqliteConnection>) -> io::Result<Self> {
        let (jobs, waiting) = unbounded();
        let threads = connections
            .into_iter()
            .enumerate()
            .map(|(index, connection)| {
                let waiting = waiting.clone();
                thread::Builder::new()
                    .name(format!("sqlite-{name}-{index}"))
                    .spawn(move || run_all(connection, &waiting))
            });
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Runs a job and returns its answer. It also runs if the wait for its answer is given up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.post(move |connection| {
            // Nobody waits any more: there is nobody to tell.
            let _ = answer.send(job(connection));
        });
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("it is closed".to_owned())))
    }

    /// Runs a job some time, after those that were posted before.
    pub(crate) fn post(&self, job: impl FnOnce(&mut SqliteConnection) + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // The threads outlive this sender.
            let _ = jobs.send(Box::new(job));
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // A panic was told where it happened.
            let _ = thread.join();
        }
    }
}

fn run_all(mut connection: SqliteConnection, jobs: &Receiver<Job>) {
    for job in jobs {
        // The caller sees that the sender of its result is gone. The connection is used again, so a transaction that the
        // call left open is rolled back; there may be none.
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            error!("a call of the store panicked");
            let _ = connection.batch_execute("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::Connection as _;

    use super::*;

    #[tokio::test]
    async fn a_call_that_panics_leaves_no_transaction_open() {
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
