//! Wakes listeners of other processes with LISTEN and NOTIFY.
//!
//! NOTIFY is a separate transaction after the commit that it announces: PostgreSQL serialises the commits of transactions that
//! notify, which would undo the gain of batching. It is sent together with the commit, on the same connection
//! ([`Checkout::commit`](crate::checkout::Checkout::commit)), or later by the notifier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Listener, Notifier, StoreError, Topic};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::options::PgOptions;
use crate::session::{PgSession, connect};
use crate::store::PgStore;
use crate::topics::Topics;

/// Delay before listening again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Topics with a notification that was not sent yet.
#[derive(Default)]
struct PendingTopics {
    outbox: AtomicBool,
    changes: AtomicBool,
    changed: Notify,
}

impl PendingTopics {
    fn of(&self, topic: Topic) -> &AtomicBool {
        match topic {
            Topic::Outbox => &self.outbox,
            Topic::Changes => &self.changes,
        }
    }

    /// Returns the command that notifies all pending topics.
    fn take(&self) -> Option<&'static str> {
        let mut pending = Topics::default();
        for topic in Topic::ALL {
            if self.of(topic).swap(false, Ordering::AcqRel) {
                pending.add(topic);
            }
        }
        pending.command()
    }
}

/// Sends notifications from a background task, which is stopped on drop.
pub struct PgNotifier {
    pending: Arc<PendingTopics>,
    task: JoinHandle<()>,
}

impl PgNotifier {
    /// Starts the background task; must be called on a tokio runtime.
    #[must_use]
    pub fn start(store: PgStore) -> Self {
        let pending = Arc::new(PendingTopics::default());
        let task = tokio::spawn(send(store, Arc::clone(&pending)));
        Self { pending, task }
    }
}

impl Notifier for PgNotifier {
    fn notify(&self, topic: Topic) {
        self.pending.of(topic).store(true, Ordering::Release);
        self.pending.changed.notify_one();
    }
}

impl Drop for PgNotifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends notifications. Those that arrive while a command is in progress are combined into the next one.
async fn send(store: PgStore, pending: Arc<PendingTopics>) {
    loop {
        pending.changed.notified().await;
        let Some(command) = pending.take() else {
            continue;
        };
        let sent = match store.checkout().await {
            Ok(mut checkout) => checkout.command(command).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            debug!(%error, "NOTIFY failed; listeners fall back to polling");
        }
    }
}

/// Listens to one topic on a connection outside the pool, and reconnects when it is lost. The background task is
/// stopped on drop.
pub struct PgListener {
    notified: Arc<Notify>,
    task: JoinHandle<()>,
}

impl PgListener {
    /// Starts the background task; must be called on a tokio runtime.
    #[must_use]
    pub fn start(options: PgOptions, topic: Topic) -> Self {
        let notified = Arc::new(Notify::new());
        let task = tokio::spawn(listen(options, topic, Arc::clone(&notified)));
        Self { notified, task }
    }
}

#[async_trait]
impl Listener for PgListener {
    async fn wait(&mut self, limit: Duration) {
        // On a timeout the caller polls.
        let _ = timeout(limit, self.notified.notified()).await;
    }
}

impl Drop for PgListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(options: PgOptions, topic: Topic, notified: Arc<Notify>) {
    let command = match topic {
        Topic::Outbox => "LISTEN outbox",
        Topic::Changes => "LISTEN changes",
    };
    loop {
        match connect(&options, &options.database).await {
            Ok(session) => {
                if let Err(error) = forward(session, command, &notified).await {
                    warn!(%error, ?topic, "LISTEN connection lost; reconnecting");
                }
            }
            Err(error) => debug!(%error, ?topic, "cannot open a LISTEN connection; retrying"),
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

async fn forward(
    mut session: PgSession,
    command: &str,
    notified: &Notify,
) -> Result<(), StoreError> {
    session.batch(command).await?;
    loop {
        // The first notification covers changes made before this session listened.
        notified.notify_one();
        session.notified().await?;
    }
}
