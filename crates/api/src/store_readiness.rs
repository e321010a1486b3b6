//! The readiness of an API in a separate process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::StoreProbe;
use readiness::{
    Cached, Cause, ChangeFeed, DEPENDENCY_CACHE_TTL, DeadLetters, Dependencies, Dependency,
    DependencyState, Readiness, ReadinessProbe, Task, TaskHealth,
};
use tracing::warn;

/// Timeout of one query: below the deadline of usual health probes, a few seconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum count of dead letters.
const MAX_DEAD_LETTERS: u32 = 100_000;

/// The readiness of an API in a separate process, which depends only on its store.
pub struct StoreReadiness {
    probe: Arc<dyn StoreProbe>,
    batcher: TaskHealth,
    lag: Cached<Result<Lag, Cause>>,
}

impl StoreReadiness {
    /// Probes the store, and reports the health of the batch writers.
    pub fn new(probe: Arc<dyn StoreProbe>, batcher: TaskHealth) -> Self {
        Self {
            probe,
            batcher,
            lag: Cached::new(DEPENDENCY_CACHE_TTL),
        }
    }

    /// Sets the time for which the state of the store is cached; the default is one second.
    #[must_use]
    pub fn cached_for(mut self, lifetime: Duration) -> Self {
        self.lag = Cached::new(lifetime);
        self
    }
}

#[async_trait]
impl ReadinessProbe for StoreReadiness {
    async fn readiness(&self) -> Readiness {
        let lag = self.lag.get(lag(self.probe.as_ref())).await;
        let broker = "orders are published from the outbox; only workers use the broker";
        let batcher = (
            self.batcher.name().to_owned(),
            Task::from_health(&self.batcher),
        );
        Readiness {
            closed: None,
            dependencies: Dependencies {
                database: match &lag {
                    Ok(_) => Dependency::up(),
                    Err(cause) => Dependency::down(*cause),
                },
                broker: Dependency {
                    state: DependencyState::NotUsed,
                    detail: Some(broker),
                },
            },
            outbox_lag: lag.ok().map(|lag| lag.outbox),
            change_feed: lag.ok().and_then(|lag| lag.change_feed),
            dead_letters: DeadLetters {
                orders: lag.ok().and_then(|lag| lag.dead_orders),
                messages: None,
            },
            queues: None,
            tasks: Some([batcher].into()),
        }
    }
}

/// The lag of the outbox and of the change feed, and the number of dead-lettered orders.
#[derive(Clone, Copy)]
struct Lag {
    outbox: Duration,
    /// `None` if the store does not report it in time, which does not affect readiness.
    change_feed: Option<ChangeFeed>,
    /// Number of dead-lettered orders; `None` if they could not be counted.
    dead_orders: Option<u64>,
}

async fn lag(probe: &dyn StoreProbe) -> Result<Lag, Cause> {
    Ok(Lag {
        outbox: outbox_lag(probe).await?,
        change_feed: change_feed(probe).await,
        dead_orders: dead_orders(probe).await,
    })
}

async fn dead_orders(probe: &dyn StoreProbe) -> Option<u64> {
    let counting = probe.count_dead_letters(MAX_DEAD_LETTERS);
    let counted = tokio::time::timeout(PROBE_TIMEOUT, counting).await;
    counted.ok()?.ok()
}

async fn change_feed(probe: &dyn StoreProbe) -> Option<ChangeFeed> {
    let lag = tokio::time::timeout(PROBE_TIMEOUT, probe.change_feed_lag()).await;
    let lag = lag.ok()?.ok()?;
    let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Some(ChangeFeed {
        held_back_ms: lag.held_back.map_or(0, millis),
        oldest_transaction_ms: lag.oldest_transaction.map(millis),
    })
}

/// The age of the oldest outbox entry.
async fn outbox_lag(probe: &dyn StoreProbe) -> Result<Duration, Cause> {
    match tokio::time::timeout(PROBE_TIMEOUT, probe.outbox_lag()).await {
        Ok(Ok(lag)) => Ok(lag.oldest.unwrap_or_default()),
        Ok(Err(error)) => {
            warn!(%error, "not ready: the store cannot be read");
            Err(Cause::from(&error))
        }
        Err(_) => {
            let timeout_ms = PROBE_TIMEOUT.as_millis();
            warn!(timeout_ms, "not ready: the store does not respond in time");
            Err(Cause::StoreTimeout)
        }
    }
}
