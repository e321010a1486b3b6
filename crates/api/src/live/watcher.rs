//! The one task that looks for all who wait.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::LivePorts;
use super::waits::Waits;
use crate::app::panic_message;

/// How long to wait for a notification before looking without one: it may have been lost.
const POLL: Duration = Duration::from_secs(1);

/// Shortest time between two looks: what is changed meanwhile is seen by one.
const PACE: Duration = Duration::from_millis(5);

/// How long to go on listening when nobody waits any more: the next one may come soon.
const LINGER: Duration = Duration::from_mins(1);

/// Looks whether what requests wait for has come, whenever something has changed.
pub struct Watcher {
    ports: LivePorts,
    waits: Arc<Waits>,
}

impl Watcher {
    pub(super) fn new(ports: LivePorts, waits: Arc<Waits>) -> Self {
        Self { ports, waits }
    }

    /// Runs until it is dropped. Those who wait are served by nobody else.
    pub async fn run(self) {
        loop {
            if !self.is_awaited() {
                self.waits.added().await;
            }
            let watched = AssertUnwindSafe(self.watch()).catch_unwind().await;
            if let Err(panic) = watched {
                let panic = panic_message(panic.as_ref());
                error!(panic, "looking for changes panicked; it begins anew");
                sleep(POLL).await;
            }
        }
    }

    /// Listens and looks until nobody has waited for some time.
    async fn watch(&self) {
        let mut listener = (self.ports.listeners)();
        let mut last_waited = Instant::now();
        let mut failing = false;
        while last_waited.elapsed() < LINGER {
            let began = Instant::now();
            let looked = self.look().await;
            if self.is_awaited() {
                last_waited = Instant::now();
            }
            report(&looked, &mut failing);
            if failing {
                sleep(POLL).await;
                continue;
            }
            // A store for which a look is work gets as much time without one.
            sleep(began.elapsed().max(PACE)).await;
            tokio::select! {
                () = listener.wait(POLL) => {}
                () = self.waits.added() => {}
            }
        }
    }

    fn is_awaited(&self) -> bool {
        !self.waits.ids().is_empty()
    }

    /// Reads all orders that are waited for, and that are settled, at once.
    async fn look(&self) -> Result<(), StoreError> {
        let ids = self.waits.ids();
        if ids.is_empty() {
            return Ok(());
        }
        let settled = self.ports.orders.find_settled(&ids).await?;
        for order in &settled {
            self.waits.tell(order);
        }
        Ok(())
    }
}

/// A store that is away is told of once.
fn report(looked: &Result<(), StoreError>, failing: &mut bool) {
    match looked {
        Ok(()) if *failing => info!("changes are seen again"),
        Err(error) if !*failing => {
            warn!(%error, "the store does not tell what has changed; those who wait go on waiting");
        }
        _ => {}
    }
    *failing = looked.is_err();
}
