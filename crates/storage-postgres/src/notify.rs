//! Waking listeners across processes, by LISTEN and NOTIFY.
//!
//! NOTIFY is sent in a transaction of its own after the commit that it tells of, not inside it: PostgreSQL serialises the
//! commits of transactions that notify, which would undo what batching gains.

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

/// Pause before another attempt to listen.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Topics of which there is news that was not sent yet.
#[derive(Default)]
struct News {
    outbox: AtomicBool,
    changes: AtomicBool,
    raised: Notify,
}

impl News {
    fn of(&self, topic: Topic) -> &AtomicBool {
        match topic {
            Topic::Outbox => &self.outbox,
            Topic::Changes => &self.changes,
        }
    }

    /// What tells of all of them at once. It may be lost, so nobody waits for it to be on the disk.
    fn take(&self) -> Option<&'static str> {
        let [outbox, changes] =
            Topic::ALL.map(|topic| self.of(topic).swap(false, Ordering::AcqRel));
        match (outbox, changes) {
            (true, false) => Some("SET LOCAL synchronous_commit = off; NOTIFY outbox"),
            (false, true) => Some("SET LOCAL synchronous_commit = off; NOTIFY changes"),
            (true, true) => {
                Some("SET LOCAL synchronous_commit = off; NOTIFY outbox; NOTIFY changes")
            }
            (false, false) => None,
        }
    }
}

/// Notifies; dropping it stops its task.
pub struct PgNotifier {
    news: Arc<News>,
    task: JoinHandle<()>,
}

impl PgNotifier {
    /// Starts the task that sends; must be called on a tokio runtime.
    #[must_use]
    pub fn start(store: PgStore) -> Self {
        let news = Arc::new(News::default());
        let task = tokio::spawn(send(store, Arc::clone(&news)));
        Self { news, task }
    }
}

impl Notifier for PgNotifier {
    fn notify(&self, topic: Topic) {
        self.news.of(topic).store(true, Ordering::Release);
        self.news.raised.notify_one();
    }
}

impl Drop for PgNotifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Many notifications become one while the one before is under way.
async fn send(store: PgStore, news: Arc<News>) {
    loop {
        news.raised.notified().await;
        let Some(command) = news.take() else {
            continue;
        };
        let sent = match store.checkout().await {
            Ok(mut checkout) => checkout.command(command).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            debug!(%error, "listeners could not be woken; they will look by themselves");
        }
    }
}

/// Listens to one topic on a connection of its own, and again when that is lost; dropping it stops its task.
pub struct PgListener {
    heard: Arc<Notify>,
    task: JoinHandle<()>,
}

impl PgListener {
    /// Starts the task that listens; must be called on a tokio runtime.
    #[must_use]
    pub fn start(options: PgOptions, topic: Topic) -> Self {
        let heard = Arc::new(Notify::new());
        let task = tokio::spawn(listen(options, topic, Arc::clone(&heard)));
        Self { heard, task }
    }
}

#[async_trait]
impl Listener for PgListener {
    async fn wait(&mut self, limit: Duration) {
        // Not heard in time: the caller looks all the same.
        let _ = timeout(limit, self.heard.notified()).await;
    }
}

impl Drop for PgListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(options: PgOptions, topic: Topic, heard: Arc<Notify>) {
    let command = match topic {
        Topic::Outbox => "LISTEN outbox",
        Topic::Changes => "LISTEN changes",
    };
    loop {
        match connect(&options, &options.database).await {
            Ok(session) => {
                if let Err(error) = forward(session, command, &heard).await {
                    warn!(%error, ?topic, "listening ended; trying again");
                }
            }
            Err(error) => debug!(%error, ?topic, "cannot listen yet"),
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

async fn forward(mut session: PgSession, command: &str, heard: &Notify) -> Result<(), StoreError> {
    session.batch(command).await?;
    loop {
        // At first for what came before this listened.
        heard.notify_one();
        session.notified().await?;
    }
}
