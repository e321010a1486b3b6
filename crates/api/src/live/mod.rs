//! Changes as they happen: for requests that wait for their order to be settled.
//!
//! One task of the process, the [`Watcher`], hears that something has changed, by whichever process, and looks once for all
//! who wait. While nobody does, it neither listens nor reads.

mod waits;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use domain::order::{Order, OrderStatus};
use domain::ports::{Listener, OrderQueries};

use crate::shutdown::Shutdown;
use waits::Waits;
pub use watcher::Watcher;

/// What the watcher works with.
pub struct LivePorts {
    /// Reads orders.
    pub orders: Arc<dyn OrderQueries>,
    /// Makes a listener to changes.
    pub listeners: Arc<dyn Fn() -> Box<dyn Listener> + Send + Sync>,
}

/// Where requests wait for changes. Cloning shares it.
#[derive(Clone)]
pub struct Live {
    waits: Arc<Waits>,
}

impl Live {
    /// What requests wait at, and what ends their waiting while it runs.
    #[must_use]
    pub fn open(ports: LivePorts) -> (Self, Watcher) {
        let live = Self {
            waits: Arc::default(),
        };
        let watcher = Watcher::new(ports, Arc::clone(&live.waits));
        (live, watcher)
    }

    /// Waits until an order is settled, and returns it as it is then; nothing if that takes too long, or the process ends
    /// before it.
    pub(crate) async fn settled(
        &self,
        order: &Order,
        within: Duration,
        shutdown: &Shutdown,
    ) -> Option<Order> {
        if order.state.status() != OrderStatus::Pending {
            return Some(order.clone());
        }
        let wait = self.waits.add(order.id);
        tokio::select! {
            settled = wait.settled() => settled,
            () = tokio::time::sleep(within) => None,
            () = shutdown.announced() => None,
        }
    }
}
