//! The store: what is committed, and who may change it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::monotonic_clock::MonotonicClock;
use domain::ports::{Clock, Store, StoreError, UnitOfWork};
use tokio::time::timeout;

use crate::tables::Tables;
use crate::unit_of_work::MemoryUnitOfWork;

/// How long a unit of work waits for the one before it, unless told otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// A store in memory. Cloning shares it.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    wait: Duration,
}

pub(crate) struct Shared {
    committed: Mutex<Arc<Tables>>,
    /// Held by the unit of work that may commit next.
    turn: Arc<tokio::sync::Mutex<()>>,
    pub(crate) clock: MonotonicClock,
    /// Outside the tables, so that a number that was rolled back is not given again.
    last_number: AtomicI64,
}

impl Shared {
    /// What is committed, as of now.
    pub(crate) fn committed(&self) -> Arc<Tables> {
        Arc::clone(&self.lock_committed())
    }

    pub(crate) fn replace(&self, tables: Arc<Tables>) {
        *self.lock_committed() = tables;
    }

    fn lock_committed(&self) -> MutexGuard<'_, Arc<Tables>> {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that none was given before, from 1.
    pub(crate) fn next_number(&self) -> i64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Shared {
    /// The number that was given last.
    pub(crate) fn last_number(&self) -> i64 {
        self.last_number.load(Ordering::Relaxed)
    }

    pub(crate) fn forget_numbers(&self) {
        self.last_number.store(0, Ordering::Relaxed);
    }
}

impl MemoryStore {
    /// An empty store on a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            committed: Mutex::default(),
            turn: Arc::default(),
            clock: MonotonicClock::new(clock),
            last_number: AtomicI64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            wait: DEFAULT_WAIT,
        }
    }

    /// The same store, where a unit of work waits at most `wait` for the one before it.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn committed(&self) -> Arc<Tables> {
        self.shared.committed()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let turn = timeout(self.wait, Arc::clone(&self.shared.turn).lock_owned())
            .await
            .map_err(|_| {
                StoreError::Unavailable(format!(
                    "the unit of work before this one did not end within {} ms",
                    self.wait.as_millis()
                ))
            })?;
        Ok(Box::new(MemoryUnitOfWork::new(
            Arc::clone(&self.shared),
            turn,
        )))
    }
}
