//! The async side of consuming: reads the inbox and sends acknowledgements to the consumer thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crossbeam_channel::Sender;
use domain::ports::{ConsumerProbe, OrderConsumer, QueueError, QueuedMessage, Receipt};

use crate::consumer_thread::ConsumerThread;
use crate::inbox::Inbox;
use crate::options::RabbitOptions;
use crate::reply::{self, Reply};
use crate::session_loop;

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
    confirm_timeout: Duration,
}

impl RabbitOrderConsumer {
    /// Starts connecting in the background and returns immediately.
    #[must_use]
    pub fn start(options: RabbitOptions) -> Self {
        let inbox = Arc::new(Inbox::default());
        let confirm_timeout = options.confirm_timeout;
        let thread = ConsumerThread {
            inbox: Arc::clone(&inbox),
        };
        Self {
            inbox,
            commands: session_loop::spawn(thread, options),
            confirm_timeout,
        }
    }

    async fn acknowledge_in(&self, session: u64, tags: Vec<u64>) -> Result<(), QueueError> {
        let is_current = || self.inbox.session() == Some(session);
        if !is_current() {
            return Ok(());
        }
        let acknowledge = |reply| Acknowledge {
            session,
            tags,
            reply,
        };
        match reply::call(&self.commands, self.confirm_timeout, acknowledge).await {
            // The session has ended meanwhile: there is nothing left to acknowledge.
            Err(QueueError::Unavailable(_)) if !is_current() => Ok(()),
            result => result,
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
