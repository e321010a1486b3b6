//! Concurrent clients.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Runs `run` concurrently for each number below `tasks`. Returns the results.
pub async fn concurrently<T, Run>(tasks: usize, run: impl Fn(usize) -> Run) -> Vec<T>
where
    T: Send + 'static,
    Run: Future<Output = T> + Send + 'static,
{
    (0..tasks).map(run).collect::<JoinSet<T>>().join_all().await
}

/// Clients that repeat a step until they are stopped.
pub struct Load<T> {
    is_stopped: Arc<AtomicBool>,
    clients: JoinSet<()>,
    results: mpsc::UnboundedReceiver<T>,
}

impl<T: Send + 'static> Load<T> {
    /// Starts clients. `step` gets the number of the client and the number of the client's earlier steps.
    pub fn start<Step, Run>(clients: usize, step: Step) -> Self
    where
        Step: Fn(usize, usize) -> Run + Clone + Send + 'static,
        Run: Future<Output = T> + Send + 'static,
    {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (sender, results) = mpsc::unbounded_channel();
        let clients = (0..clients).map(|client| {
            let (step, sender) = (step.clone(), sender.clone());
            let is_stopped = Arc::clone(&is_stopped);
            async move {
                for number in 0.. {
                    if is_stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    sender.send(step(client, number).await).unwrap();
                }
            }
        });
        Self {
            clients: clients.collect(),
            is_stopped,
            results,
        }
    }

    /// Returns the results since the last call.
    pub fn results(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.results.try_recv().ok()).collect()
    }

    /// Stops the clients after the steps in progress. Returns the results since the last call of [`Self::results`].
    pub async fn stop(mut self) -> Vec<T> {
        self.is_stopped.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.clients).join_all().await;
        self.results()
    }
}
