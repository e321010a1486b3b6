//! The async side of consuming: reads the inbox and sends acknowledgements to the consumer thread.

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
use crate::publisher::REPLY_MARGIN;
use crate::reply::Reply;

/// Capacity of the channel of acknowledgements. When it is full, further acknowledgements fail.
const MAX_PENDING_CALLS: usize = 64;

/// A command to the consumer thread: acknowledge deliveries of a session.
pub(crate) struct Acknowledge {
    pub(crate) session: u64,
    pub(crate) tags: Vec<u64>,
    pub(crate) reply: Reply<()>,
}

/// [`OrderConsumer`] on `RabbitMQ`: receives from all queues for which it is the single active consumer.
///
/// It reconnects automatically: while the broker is unreachable, [`OrderConsumer::next_batch`] waits. Dropping it
/// closes the connection, which passes its queues and unacknowledged messages to the next consumer.
#[derive(Debug)]
pub struct RabbitOrderConsumer {
    inbox: Arc<Inbox>,
    commands: Sender<Acknowledge>,
    reply_timeout: Duration,
}

impl RabbitOrderConsumer {
    /// Starts connecting in the background and returns immediately.
    #[must_use]
    pub fn start(options: RabbitOptions) -> Self {
        let (commands, receiver) = crossbeam_channel::bounded(MAX_PENDING_CALLS);
        let inbox = Arc::new(Inbox::default());
        let reply_timeout = options.confirm_timeout + REPLY_MARGIN;
        consumer_thread::spawn(options, receiver, Arc::clone(&inbox));
        Self {
            inbox,
            commands,
            reply_timeout,
        }
    }

    async fn acknowledge_in(&self, session: u64, tags: Vec<u64>) -> Result<(), QueueError> {
        if self.inbox.session() != Some(session) {
            return Ok(());
        }
        let (reply, response) = Reply::channel();
        let command = Acknowledge {
            session,
            tags,
            reply,
        };
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(QueueError::Unavailable(
                    "too many pending acknowledgements".to_owned(),
                ));
            }
            Err(TrySendError::Disconnected(_)) => return Err(QueueError::Closed),
        }
        match timeout(self.reply_timeout, response).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(QueueError::Closed),
            // The session may have ended meanwhile: then there is nothing left to acknowledge.
            Err(_) if self.inbox.session() != Some(session) => Ok(()),
            Err(_) => Err(QueueError::Unavailable(
                "the broker does not respond".to_owned(),
            )),
        }
    }
}

#[async_trait]
impl OrderConsumer for RabbitOrderConsumer {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        self.inbox.next(limit).await
    }

    /// `Ok` means that the acknowledgements were sent. The broker does not confirm them; if one is lost with its
    /// connection, its message is redelivered.
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

    /// Up while the consumer is subscribed to its queues, even if another consumer is active on them.
    fn watch(&self) -> Arc<dyn ConsumerProbe> {
        Arc::<Inbox>::clone(&self.inbox)
    }
}
