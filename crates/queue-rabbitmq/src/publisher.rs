//! The async side of publishing: packs, hands over to the publisher thread, and waits within bounds.

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

/// How long a call waits for a connection that is just coming up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// How much later than its deadline the thread may answer.
pub(crate) const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// Calls that wait for the thread. More are turned away: the thread is far behind.
const MAX_WAITING_CALLS: usize = 64;

/// What the publisher's session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// A first attempt is under way, at the start or after a session has ended.
    Connecting,
    /// Messages can be handed over.
    Up,
    /// The broker is short of memory or disk and does not read what we send.
    Blocked(String),
    /// The last attempt failed; the next one follows after a pause.
    Down(String),
}

impl State {
    /// `Ok` when messages can be handed over now.
    fn check(&self) -> Result<(), QueueError> {
        Err(QueueError::Unavailable(match self {
            Self::Up => return Ok(()),
            Self::Connecting => "connecting".to_owned(),
            Self::Blocked(reason) => format!("the broker blocks publishers: {reason}"),
            Self::Down(reason) => reason.clone(),
        }))
    }
}

/// Work for the publisher thread.
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

/// What became of the messages of one call.
#[derive(Debug)]
pub(crate) struct Published {
    /// For each message whether the broker took it durably.
    pub(crate) confirmed: Vec<bool>,
    /// Why the broker was not heard on all of them; `None`: it was.
    pub(crate) cut_short: Option<String>,
}

/// A handle on a publisher thread. The thread ends with the last handle.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    commands: Sender<Command>,
    state: watch::Receiver<State>,
    confirm_timeout: Duration,
}

impl Publisher {
    pub(crate) fn start(options: RabbitOptions) -> Self {
        let (commands, receiver) = crossbeam_channel::bounded(MAX_WAITING_CALLS);
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
        let (reply, answer) = Reply::channel();
        match self.commands.try_send(command(deadline, reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(unavailable("too many calls wait already")),
            Err(TrySendError::Disconnected(_)) => return Err(QueueError::Closed),
        }
        match timeout(self.confirm_timeout + ANSWER_MARGIN, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => Err(unavailable("the broker does not answer")),
        }
    }

    /// Waits a little for a first attempt to connect; fails at once when it is known that there is no connection.
    async fn ready(&self) -> Result<(), QueueError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != State::Connecting);
        match timeout(CONNECT_PATIENCE, settled).await {
            Ok(Ok(state)) => state.check(),
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => State::Connecting.check(),
        }
    }

    fn probe(&self) -> Result<(), QueueError> {
        // The thread holds the other end for as long as it lives.
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
    QueueError::Unavailable(format!("a message cannot be written: {error}"))
}

/// [`OrderQueue`] on `RabbitMQ`. Cheap to clone; the connection ends with the last clone.
///
/// While the broker cannot be reached, or blocks publishers, calls fail without delay, except for up to a second while a
/// connection is just coming up. Nothing is queued in this process.
#[derive(Debug, Clone)]
pub struct RabbitOrderQueue {
    publisher: Publisher,
    shards: u16,
}

impl RabbitOrderQueue {
    /// Starts connecting in the background and returns at once.
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
    /// All messages are sent before the first confirm is awaited. When an earlier message of a shard is not confirmed and
    /// a later one is, the later one still counts: the earlier orders are published again and arrive behind it. Settlement
    /// decides by order id within a batch only, and promises no more.
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let parcels = pack(orders, self.shards);
        let messages = parcels
            .iter()
            .map(Outgoing::orders)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| not_encoded(&error))?;
        let published = self.publisher.publish(messages).await?;
        let taken: Vec<OrderId> = parcels
            .into_iter()
            .zip(published.confirmed)
            .filter(|(_, confirmed)| *confirmed)
            .flat_map(|(parcel, _)| parcel.order_ids)
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
