//! A value that is expensive to read, kept for a short time.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Keeps the last value for a time. Those who ask while it is being read wait for that one read.
pub struct Cached<T> {
    lifetime: Duration,
    entry: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Cached<T> {
    /// Nothing yet; each value is kept for `lifetime`.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            entry: Mutex::default(),
        }
    }

    /// The value that was read last, if that is short enough ago, else what `read` returns.
    pub async fn get(&self, read: impl Future<Output = T>) -> T {
        let mut entry = self.entry.lock().await;
        if let Some((read_at, value)) = entry.as_ref()
            && read_at.elapsed() < self.lifetime
        {
            return value.clone();
        }
        let value = read.await;
        *entry = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_is_read_once_for_all_who_ask_within_its_lifetime() {
        let (cached, reads) = (Cached::new(Duration::from_secs(1)), AtomicU32::new(0));
        let read = || async {
            sleep(Duration::from_secs(2)).await;
            reads.fetch_add(1, Ordering::Relaxed) + 1
        };
        let both = tokio::join!(cached.get(read()), cached.get(read()));
        assert_eq!(both, (1, 1));
        assert_eq!(cached.get(read()).await, 1);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(cached.get(read()).await, 2);
    }
}
