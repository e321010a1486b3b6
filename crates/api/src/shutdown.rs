//! The shutdown of the process, as seen by its requests.

use tokio::sync::watch;

/// Signals requests that the process is shutting down. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// A signal that is not announced yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces the shutdown: new orders are rejected, and waiting requests return.
    pub fn announce(&self) {
        self.0.send_replace(true);
    }

    /// Whether the shutdown was announced.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the shutdown is announced.
    pub(crate) async fn announced(&self) {
        // Cannot fail: `self` owns a sender, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|announced| *announced).await;
    }
}
