//! The end of this process, as its requests see it coming.

use tokio::sync::watch;

/// Tells requests that the process is about to end. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// Nothing ends yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on no new orders are taken, and nobody is kept waiting.
    pub fn announce(&self) {
        self.0.send_replace(true);
    }

    /// Whether the end was announced.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the end is announced.
    pub(crate) async fn announced(&self) {
        // The sender is this value's own, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|announced| *announced).await;
    }
}
