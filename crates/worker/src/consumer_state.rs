//! How a consumer is, for readiness: whether messages can come to it, and whether it is stuck with those it has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::ConsumerProbe;
use tokio::time::Instant;

/// A batch that is retried for longer than this is stuck, as far as others can tell.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// What keeps a consumer from its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// No message can come to it.
    Disconnected(String),
    /// It has a batch that cannot be settled, and retries.
    Stuck(String),
}

/// Shared by one consumer's task, over all of its runs, and whoever looks at it.
#[derive(Clone, Default)]
pub struct ConsumerState {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    probe: Option<Arc<dyn ConsumerProbe>>,
    held: Option<Held>,
}

/// A batch that could not be settled at the first go.
struct Held {
    since: Instant,
    error: String,
}

impl ConsumerState {
    /// What hinders the consumer now, if anything does.
    #[must_use]
    pub fn hindrance(&self) -> Option<Hindrance> {
        let inner = self.lock();
        // First, because it is about messages that are here already.
        if let Some(held) = &inner.held
            && held.since.elapsed() > STUCK_AFTER
        {
            return Some(Hindrance::Stuck(held.error.clone()));
        }
        match &inner.probe {
            None => Some(Hindrance::Disconnected("not started yet".to_owned())),
            Some(probe) => {
                let error = probe.probe().err()?;
                Some(Hindrance::Disconnected(error.to_string()))
            }
        }
    }

    /// A run begins, with a consumer of its own; whatever an earlier run held is not held any more.
    pub(crate) fn begin(&self, probe: Arc<dyn ConsumerProbe>) {
        *self.lock() = Inner {
            probe: Some(probe),
            held: None,
        };
    }

    /// The batch could not be settled and is held. Returns whether the reason is another one than before.
    pub(crate) fn hold(&self, error: &str) -> bool {
        let mut inner = self.lock();
        let held = inner.held.get_or_insert_with(|| Held {
            since: Instant::now(),
            error: String::new(),
        });
        let is_new = held.error != error;
        if is_new {
            error.clone_into(&mut held.error);
        }
        is_new
    }

    /// The batch is settled, or given up.
    pub(crate) fn release(&self) {
        self.lock().held = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
