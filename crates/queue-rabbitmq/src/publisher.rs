//! The async side of publishing: packs orders, sends commands to the publisher thread, and waits for results with a
//! timeout.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use crossbeam_channel::{Sender, TrySendError};
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError, QueuedOrder};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::message::pack;
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::publisher_thread;
use crate::reply::Reply;

/// Time that a call waits for the first connection attempt.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Time that the thread may exceed the deadline of a call before the caller gives up.
pub(crate) const REPLY_MARGIN: Duration = Duration::from_secs(2);

/// Capacity of the channel of calls. When it is full, further calls fail.
const MAX_PENDING_CALLS: usize = 64;

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

/// A command to the publisher thread.
pub(crate) enum Command {
    Publish {
        messages: Vec<Outgoing>,
        deadline: Instant,
        reply: Reply<Published>,
    },
    Backlog {
        deadline: Instant,
        reply: Reply<Backlog>,
    },
    PruneDead {
        keep: u64,
        deadline: Instant,
        reply: Reply<u64>,
    },
}

/// Result of publishing the messages of one call.
#[derive(Debug)]
pub(crate) struct Published {
    /// For each message whether the broker confirmed it.
    pub(crate) confirmed: Vec<bool>,
    /// Why not every message was confirmed or refused; `None` if every message was.
    pub(crate) cut_short: Option<String>,
}

/// A handle of a publisher thread. The thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    commands: Sender<Command>,
    state: watch::Receiver<State>,
    confirm_timeout: Duration,
}

impl Publisher {
    pub(crate) fn start(options: RabbitOptions) -> Self {
        let (commands, receiver) = crossbeam_channel::bounded(MAX_PENDING_CALLS);
        let (sender, state) = watch::channel(State::Connecting);
        let confirm_timeout = options.confirm_timeout;
        publisher_thread::spawn(options, receiver, sender);
        Self {
            commands,
            state,
            confirm_timeout,
        }
    }

    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Published, QueueError> {
        self.call(|deadline, reply| Command::Publish {
            messages,
            deadline,
            reply,
        })
        .await
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        self.call(|deadline, reply| Command::Backlog { deadline, reply })
            .await
    }

    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError> {
        self.call(|deadline, reply| Command::PruneDead {
            keep,
            deadline,
            reply,
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(Instant, Reply<T>) -> Command,
    ) -> Result<T, QueueError> {
        self.ready().await?;
        let deadline = Instant::now() + self.confirm_timeout;
        let (reply, response) = Reply::channel();
        match self.commands.try_send(command(deadline, reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(unavailable("too many pending calls")),
            Err(TrySendError::Disconnected(_)) => return Err(QueueError::Closed),
        }
        match timeout(self.confirm_timeout + REPLY_MARGIN, response).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => Err(unavailable("the broker does not respond")),
        }
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

    fn probe(&self) -> Result<(), QueueError> {
        // The thread holds the sender while it runs.
        if self.state.has_changed().is_err() {
            return Err(QueueError::Closed);
        }
        self.state.borrow().check()
    }
}

fn unavailable(reason: &str) -> QueueError {
    QueueError::Unavailable(reason.to_owned())
}

fn not_encoded(error: &serde_json::Error) -> QueueError {
    QueueError::Unavailable(format!("cannot encode a message: {error}"))
}

/// [`OrderQueue`] on `RabbitMQ`. Cheap to clone; the connection is closed when the last clone is dropped.
///
/// While the broker is unreachable or blocks publishers, calls fail immediately; during the first connection attempt
/// they wait for up to one second. Nothing is queued in this process.
#[derive(Debug, Clone)]
pub struct RabbitOrderQueue {
    publisher: Publisher,
    shards: u16,
}

impl RabbitOrderQueue {
    /// Starts connecting in the background and returns immediately.
    #[must_use]
    pub fn start(options: RabbitOptions) -> Self {
        let shards = options.shards();
        Self {
            publisher: Publisher::start(options),
            shards,
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
        let messages = batches
            .iter()
            .map(Outgoing::orders)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| not_encoded(&error))?;
        let published = self.publisher.publish(messages).await?;
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
        self.publisher.backlog().await
    }

    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError> {
        self.publisher.prune_dead_messages(keep).await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.publisher.probe()
    }
}
