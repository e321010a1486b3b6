//! The async side of consuming: takes from the inbox, hands acknowledgements to the consumer thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crossbeam_channel::{Sender, TrySendError};
use domain::ports::{ConsumerProbe, OrderConsumer, QueueError, QueuedMessage, Receipt};
use tokio::time::timeout;

use crate::consumer_thread;
use crate::inbox::Inbox;
use crate::options::RabbitOptions;
use crate::publisher::ANSWER_MARGIN;
use crate::reply::Reply;

/// Acknowledgements that wait for the thread. More are turned away: the thread is far behind.
const MAX_WAITING_CALLS: usize = 64;

/// Work for the consumer thread: acknowledge these deliveries of that session.
pub(crate) struct Acknowledge {
    pub(crate) session: u64,
    pub(crate) tags: Vec<u64>,
    pub(crate) reply: Reply<()>,
}

/// [`OrderConsumer`] on `RabbitMQ`: takes from all queues for which it is the single active consumer.
///
/// It recovers by itself: while the broker cannot be reached, [`OrderConsumer::next_batch`] waits. Its connection ends when
/// it is dropped, which hands its queues and unacknowledged messages to the next consumer.
#[derive(Debug)]
pub struct RabbitOrderConsumer {
    inbox: Arc<Inbox>,
    commands: Sender<Acknowledge>,
    answer_timeout: Duration,
}

impl RabbitOrderConsumer {
    /// Starts connecting in the background and returns at once.
    #[must_use]
    pub fn start(options: RabbitOptions) -> Self {
        let (commands, receiver) = crossbeam_channel::bounded(MAX_WAITING_CALLS);
        let inbox = Arc::new(Inbox::default());
        let answer_timeout = options.confirm_timeout + ANSWER_MARGIN;
        consumer_thread::spawn(options, receiver, Arc::clone(&inbox));
        Self {
            inbox,
            commands,
            answer_timeout,
        }
    }

    async fn acknowledge_in(&self, session: u64, tags: Vec<u64>) -> Result<(), QueueError> {
        if self.inbox.session() != Some(session) {
            return Ok(());
        }
        let (reply, answer) = Reply::channel();
        let command = Acknowledge {
            session,
            tags,
            reply,
        };
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(QueueError::Unavailable(
                    "too many acknowledgements wait already".to_owned(),
                ));
            }
            Err(TrySendError::Disconnected(_)) => return Err(QueueError::Closed),
        }
        match timeout(self.answer_timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(QueueError::Closed),
            // The session may have ended meanwhile: then there is nothing left to acknowledge.
            Err(_) if self.inbox.session() != Some(session) => Ok(()),
            Err(_) => Err(QueueError::Unavailable(
                "the broker does not answer".to_owned(),
            )),
        }
    }
}

#[async_trait]
impl OrderConsumer for RabbitOrderConsumer {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        self.inbox.next(limit).await
    }

    /// `Ok` says that the acknowledgements are on their way. The broker does not answer them; one that gets lost with its
    /// connection makes its message come again.
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let mut sessions: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for receipt in receipts {
            sessions
                .entry(receipt.session)
                .or_default()
                .push(receipt.tag);
        }
        for (session, tags) in sessions {
            self.acknowledge_in(session, tags).await?;
        }
        Ok(())
    }

    /// Up while the consumer is subscribed to its queues, whether or not another one is active on them.
    fn watch(&self) -> Arc<dyn ConsumerProbe> {
        Arc::<Inbox>::clone(&self.inbox)
    }
}
