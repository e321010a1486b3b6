//! A cache of one value that is expensive to read.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Caches the last value for `lifetime`. Concurrent callers wait for one read.
pub struct Cached<T> {
    lifetime: Duration,
    entry: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Cached<T> {
    /// Creates an empty cache whose values expire after `lifetime`.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            entry: Mutex::default(),
        }
    }

    /// Returns the cached value if it has not expired, otherwise the result of `read`.
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
    async fn value_is_read_once_within_its_lifetime() {
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
