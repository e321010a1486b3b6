//! The store: the committed tables, and the lock for changing them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::monotonic_clock::MonotonicClock;
use domain::ports::{Clock, Store, StoreError, UnitOfWork};
use tokio::time::timeout;

use crate::tables::Tables;
use crate::unit_of_work::MemoryUnitOfWork;

/// Default timeout of [`Store::begin`] while another unit of work is running.
const DEFAULT_BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    begin_timeout: Duration,
}

pub(crate) struct Shared {
    committed: Mutex<Arc<Tables>>,
    /// Held by the running unit of work.
    write_lock: Arc<tokio::sync::Mutex<()>>,
    pub(crate) clock: MonotonicClock,
    /// Outside the tables, so that the number of a rolled-back row is not reused.
    last_number: AtomicI64,
}

impl Shared {
    /// Returns a snapshot of the committed tables.
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

    /// Returns the next unused number; the first is 1.
    pub(crate) fn next_number(&self) -> i64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Shared {
    /// Returns the last used number.
    pub(crate) fn last_number(&self) -> i64 {
        self.last_number.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_numbers(&self) {
        self.last_number.store(0, Ordering::Relaxed);
    }
}

impl MemoryStore {
    /// Creates an empty store with the given clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            committed: Mutex::default(),
            write_lock: Arc::default(),
            clock: MonotonicClock::new(clock),
            last_number: AtomicI64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            begin_timeout: DEFAULT_BEGIN_TIMEOUT,
        }
    }

    /// Sets the timeout of [`Store::begin`] while another unit of work is running.
    #[must_use]
    pub fn with_begin_timeout(mut self, begin_timeout: Duration) -> Self {
        self.begin_timeout = begin_timeout;
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
        let write_guard = timeout(
            self.begin_timeout,
            Arc::clone(&self.shared.write_lock).lock_owned(),
        )
        .await
        .map_err(|_| {
            StoreError::Unavailable(format!(
                "the previous unit of work did not end within {} ms",
                self.begin_timeout.as_millis()
            ))
        })?;
        Ok(Box::new(MemoryUnitOfWork::new(
            Arc::clone(&self.shared),
            write_guard,
        )))
    }
}
