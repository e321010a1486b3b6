//! Waking the relays across processes, by LISTEN and NOTIFY.
//!
//! NOTIFY is sent in a transaction of its own after the order's commit, not inside it: PostgreSQL serialises the commits
//! of transactions that notify, which would undo what batching gains.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use domain::ports::{OutboxListener, OutboxNotifier};
use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::options::PgOptions;
use crate::store::{PgStore, connect};

/// Pause before another attempt to listen.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Notifies; dropping it stops its task.
pub struct PgOutboxNotifier {
    raised: Arc<Notify>,
    task: JoinHandle<()>,
}

impl PgOutboxNotifier {
    /// Starts the task that sends; must be called on a tokio runtime.
    #[must_use]
    pub fn start(store: PgStore) -> Self {
        let raised = Arc::new(Notify::new());
        let task = tokio::spawn(send(store, Arc::clone(&raised)));
        Self { raised, task }
    }
}

impl OutboxNotifier for PgOutboxNotifier {
    fn notify(&self) {
        self.raised.notify_one();
    }
}

impl Drop for PgOutboxNotifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Many notifications become one while the one before is under way.
async fn send(store: PgStore, raised: Arc<Notify>) {
    loop {
        raised.notified().await;
        let sent = match store.checkout().await {
            Ok(mut checkout) => checkout.command("NOTIFY outbox").await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            debug!(%error, "the relays could not be woken; they will look by themselves");
        }
    }
}

/// Listens on a connection of its own, and again when that is lost; dropping it stops its task.
pub struct PgOutboxListener {
    heard: Arc<Notify>,
    task: JoinHandle<()>,
}

impl PgOutboxListener {
    /// Starts the task that listens; must be called on a tokio runtime.
    #[must_use]
    pub fn start(options: PgOptions) -> Self {
        let heard = Arc::new(Notify::new());
        let task = tokio::spawn(listen(options, Arc::clone(&heard)));
        Self { heard, task }
    }
}

#[async_trait]
impl OutboxListener for PgOutboxListener {
    async fn wait(&mut self, limit: Duration) {
        // Not heard in time: the caller looks all the same.
        let _ = timeout(limit, self.heard.notified()).await;
    }
}

impl Drop for PgOutboxListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(options: PgOptions, heard: Arc<Notify>) {
    loop {
        match connect(options.connection_string(&options.database)).await {
            Ok(connection) => {
                if let Err(error) = forward(connection, &heard).await {
                    warn!(%error, "listening for new outbox entries ended; trying again");
                }
            }
            Err(error) => debug!(%error, "cannot listen for new outbox entries yet"),
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

async fn forward(mut connection: AsyncPgConnection, heard: &Notify) -> diesel::QueryResult<()> {
    connection.batch_execute("LISTEN outbox").await?;
    // What came while nobody listened was not heard.
    heard.notify_one();
    let mut notifications = std::pin::pin!(connection.notifications_stream());
    while let Some(notification) = notifications.next().await {
        notification?;
        heard.notify_one();
    }
    Ok(())
}
