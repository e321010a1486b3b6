//! The async side of publishing: packs orders, sends commands to the publisher thread, and waits for results with a
//! timeout.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use crossbeam_channel::Sender;
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError, QueuedOrder};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::message::pack;
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::publisher_thread::PublisherThread;
use crate::reply::{self, Reply};
use crate::session_loop;

/// Time that a call waits for the first connection attempt.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Connection state of the publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The first attempt is in progress, at the start or after a session has ended.
    Connecting,
    /// Connected; messages can be published.
    Up,
    /// The broker is low on memory or disk and does not read messages.
    Blocked(String),
    /// The last attempt failed; the next one follows after a delay.
    Down(String),
}

impl State {
    /// Returns `Ok` if messages can be published now.
    fn check(&self) -> Result<(), QueueError> {
        Err(QueueError::Unavailable(match self {
            Self::Up => return Ok(()),
            Self::Connecting => "connecting".to_owned(),
            Self::Blocked(reason) => format!("the broker blocks publishers: {reason}"),
            Self::Down(reason) => reason.clone(),
        }))
    }
}

/// A call to the publisher thread.
pub(crate) struct Call {
    pub(crate) deadline: Instant,
    pub(crate) command: Command,
}

/// A command to the publisher thread.
pub(crate) enum Command {
    Publish(Vec<Outgoing>, Reply<Published>),
    Backlog(Reply<Backlog>),
    /// Removes the oldest dead messages until this number is left.
    PruneDead(u64, Reply<u64>),
}

/// Result of publishing the messages of one call.
#[derive(Debug)]
pub(crate) struct Published {
    /// For each message whether the broker confirmed it.
    pub(crate) confirmed: Vec<bool>,
    /// Why not every message was confirmed or refused; `None` if every message was.
    pub(crate) cut_short: Option<String>,
}

/// [`OrderQueue`] on `RabbitMQ`. Cheap to clone; the connection is closed when the last clone is dropped.
///
/// While the broker is unreachable or blocks publishers, calls fail immediately; during the first connection attempt
/// they wait for up to one second. Nothing is queued in this process.
#[derive(Debug, Clone)]
pub struct RabbitOrderQueue {
    /// The publisher thread ends when the last sender is dropped.
    calls: Sender<Call>,
    state: watch::Receiver<State>,
    confirm_timeout: Duration,
    shards: u16,
}

impl RabbitOrderQueue {
    /// Starts connecting in the background and returns immediately.
    #[must_use]
    pub fn start(options: RabbitOptions) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let (confirm_timeout, shards) = (options.confirm_timeout, options.shards());
        Self {
            calls: session_loop::spawn(PublisherThread { state: sender }, options),
            state,
            confirm_timeout,
            shards,
        }
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, QueueError> {
        self.ready().await?;
        let deadline = Instant::now() + self.confirm_timeout;
        let call = |reply| Call {
            deadline,
            command: command(reply),
        };
        reply::call(&self.calls, self.confirm_timeout, call).await
    }

    /// Waits up to [`CONNECT_WAIT`] for the first connection attempt; fails immediately if there is no connection.
    async fn ready(&self) -> Result<(), QueueError> {
        let mut state = self.state.clone();
        let connected = state.wait_for(|state| *state != State::Connecting);
        match timeout(CONNECT_WAIT, connected).await {
            Ok(Ok(state)) => state.check(),
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => State::Connecting.check(),
        }
    }
}

#[async_trait]
impl OrderQueue for RabbitOrderQueue {
    /// Sends all messages before it waits for the first confirm. If an earlier message of a shard is not confirmed and
    /// a later one is, the later one still counts as published: the earlier orders are published again and arrive
    /// behind it. Settlement is ordered by order id only within a batch.
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let batches = pack(orders, self.shards);
        let messages = batches.iter().map(Outgoing::orders);
        let messages = messages.collect::<Result<Vec<_>, _>>().map_err(|error| {
            QueueError::Unavailable(format!("cannot encode a message: {error}"))
        })?;
        let published = self.call(|reply| Command::Publish(messages, reply)).await?;
        let taken: Vec<OrderId> = batches
            .into_iter()
            .zip(published.confirmed)
            .filter(|(_, confirmed)| *confirmed)
            .flat_map(|(batch, _)| batch.order_ids)
            .collect();
        match published.cut_short {
            Some(reason) if taken.is_empty() => Err(QueueError::Unavailable(reason)),
            _ => Ok(taken),
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        self.call(Command::Backlog).await
    }

    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError> {
        self.call(|reply| Command::PruneDead(keep, reply)).await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        // The thread holds the sender while it runs.
        if self.state.has_changed().is_err() {
            return Err(QueueError::Closed);
        }
        self.state.borrow().check()
    }
}
