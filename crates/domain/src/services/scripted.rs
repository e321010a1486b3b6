//! Ports whose calls are scripted, for tests of use cases.

use std::sync::{Arc, Mutex};

use crate::ports::{Clock, MockClock, MockStore, MockUnitOfWork, UnitOfWork};
use crate::timestamp::Timestamp;

/// A clock that is always at the epoch.
pub(super) fn clock() -> Arc<dyn Clock> {
    let mut clock = MockClock::new();
    clock.expect_sleep().returning(|_| ());
    clock.expect_now().returning(|| Timestamp::EPOCH);
    Arc::new(clock)
}

/// A store that returns these units of work in this order, and no more.
pub(super) fn store(works: Vec<MockUnitOfWork>) -> Arc<MockStore> {
    let works = Arc::new(Mutex::new(works.into_iter()));
    let next = move || {
        let work = works.lock().unwrap().next();
        let work = work.expect("a scripted unit of work");
        Ok(Box::new(work) as Box<dyn UnitOfWork>)
    };
    let mut store = MockStore::new();
    store.expect_begin().returning(next.clone());
    store.expect_begin_relaxed().returning(next);
    Arc::new(store)
}
