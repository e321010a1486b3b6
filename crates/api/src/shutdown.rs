//! The shutdown of the process, as seen by its requests.

use tokio::sync::watch;

/// How far the shutdown is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Running,
    /// Requests are served as usual, but each response closes its connection, and the process is not ready.
    Draining,
    /// New orders are rejected, and waiting requests return.
    Announced,
}

/// Signals requests that the process is shutting down. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(watch::Sender<Phase>);

impl Shutdown {
    /// A signal that is not announced yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets clients move to another process: each response closes its connection, and the process is not ready.
    pub(crate) fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Announces the shutdown: new orders are rejected, and waiting requests return.
    pub fn announce(&self) {
        self.advance(Phase::Announced);
    }

    fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let is_later = *phase < to;
            *phase = to.max(*phase);
            is_later
        });
    }

    /// Whether connections are being drained, or the shutdown was announced.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Whether the shutdown was announced.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        *self.0.borrow() == Phase::Announced
    }

    /// Waits until the shutdown is announced.
    pub(crate) async fn announced(&self) {
        // Cannot fail: `self` owns a sender, so the channel stays open.
        let is_announced = |phase: &Phase| *phase == Phase::Announced;
        let _ = self.0.subscribe().wait_for(is_announced).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_does_not_go_back_to_an_earlier_phase() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_draining());
        shutdown.drain();
        assert!(shutdown.is_draining() && !shutdown.is_announced());
        shutdown.announce();
        shutdown.drain();
        assert!(shutdown.is_draining() && shutdown.is_announced());
    }
}
