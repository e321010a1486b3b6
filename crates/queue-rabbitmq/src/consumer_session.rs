//! One connection of a consumer: deliveries in, acknowledgements out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Channel, Consumer, ConsumerMessage, ConsumerOptions, Delivery};
use crossbeam_channel::{Receiver, Select, TryRecvError};
use domain::ports::{QueuedMessage, Receipt};
use tracing::warn;

use crate::consumer::Acknowledge;
use crate::inbox::Inbox;
use crate::ledger::Ledger;
use crate::link::{CALL_TIMEOUT, Link, LinkError};
use crate::message;
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::set_aside::{Outcome, SetAside};
use crate::topology;
use crate::watchdog::Watchdog;
use crate::wording::one_line;

/// Most deliveries taken from one queue before the others have their turn.
const MAX_IN_A_ROW: usize = 256;

/// How long an acknowledgement may take to reach the I/O thread before the connection is broken.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a session ended.
pub(crate) enum End {
    /// The connection or a queue failed, for this reason.
    Lost(String),
    /// Nobody is left to work for.
    Abandoned,
}

/// An open session. The link comes first: when this is dropped by a panic, its goodbye must come before the channel's.
pub(crate) struct ConsumerSession {
    link: Link,
    channel: Channel,
}

impl ConsumerSession {
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, LinkError> {
        let mut link = Link::open(options, watchdog)?;
        match prepare(&mut link, options) {
            Ok(channel) => Ok(Self { link, channel }),
            Err(error) => {
                link.close();
                Err(error)
            }
        }
    }

    /// Works until the session ends, and closes it.
    pub(crate) fn run(
        self,
        id: u64,
        shards: u16,
        commands: &Receiver<Acknowledge>,
        inbox: &Inbox,
        set_aside: &mut SetAside,
    ) -> End {
        let Self { link, channel } = self;
        let mut subscriptions = Vec::new();
        let mut work = Work {
            id,
            link: &link,
            channel: &channel,
            ledger: Ledger::new(),
            inbox,
            set_aside: &mut *set_aside,
        };
        let end = match subscribe(&link, &channel, shards, &mut subscriptions) {
            Ok(()) => {
                // Only now: a consumer that may connect but not subscribe never gets a message, and is not up.
                inbox.begin(id);
                work.pump(&subscriptions, commands)
            }
            Err(error) => End::Lost(one_line(error)),
        };
        // Nothing of this session may be handed out any more; it comes again.
        inbox.end();
        set_aside.forget();
        // The connection first: the broker takes back all unacknowledged messages at once, and no queue waits for the
        // others' goodbyes.
        let cause = link.close();
        drop(subscriptions);
        drop(channel);
        match (end, cause) {
            (End::Lost(_), Some(cause)) => End::Lost(one_line(cause)),
            (end, _) => end,
        }
    }
}

fn prepare(link: &mut Link, options: &RabbitOptions) -> Result<Channel, LinkError> {
    // Before the channel, so that the channel's goodbye on the way out is guarded too.
    let guard = link.guard(Instant::now() + CALL_TIMEOUT);
    let channel = link.connection.open_channel(None)?;
    topology::declare(&channel, &guard, options.shards())?;
    guard.renew(Instant::now() + CALL_TIMEOUT);
    // For each queue: a limit for the whole channel is something that quorum queues do not have.
    channel.qos(0, options.prefetch.max(1), false)?;
    Ok(channel)
}

/// The consumer of one queue.
struct Subscription<'a> {
    queue: String,
    consumer: Consumer<'a>,
}

/// Subscribes to all queues, beginning anywhere: the first subscriber of a queue becomes its active consumer, so workers
/// that start at the same time, or find a restarted broker at the same time, get their share each.
fn subscribe<'a>(
    link: &Link,
    channel: &'a Channel,
    shards: u16,
    subscriptions: &mut Vec<Subscription<'a>>,
) -> amiquip::Result<()> {
    let guard = link.guard(Instant::now() + CALL_TIMEOUT);
    // The standard library's only source of randomness.
    let random = RandomState::new().build_hasher().finish();
    let first = u16::try_from(random % u64::from(shards)).unwrap_or_default();
    for shard in (first..shards).chain(0..first) {
        guard.renew(Instant::now() + CALL_TIMEOUT);
        let queue = topology::queue_name(shard);
        let consumer = channel.basic_consume(queue.as_str(), ConsumerOptions::default())?;
        subscriptions.push(Subscription { queue, consumer });
    }
    Ok(())
}

/// A session at work.
struct Work<'a> {
    id: u64,
    link: &'a Link,
    channel: &'a Channel,
    ledger: Ledger<Delivery>,
    inbox: &'a Inbox,
    set_aside: &'a mut SetAside,
}

impl Work<'_> {
    fn pump(
        &mut self,
        subscriptions: &[Subscription<'_>],
        commands: &Receiver<Acknowledge>,
    ) -> End {
        let outcomes = self.set_aside.outcomes();
        let mut select = Select::new();
        for subscription in subscriptions {
            select.recv(subscription.consumer.receiver());
        }
        let commands_at = select.recv(commands);
        let outcomes_at = select.recv(&outcomes);
        loop {
            let ready = match self.set_aside.wakes_at() {
                None => Some(select.ready()),
                Some(at) => select.ready_deadline(at).ok(),
            };
            let failure = match ready {
                None => {
                    self.set_aside.send_due();
                    None
                }
                Some(index) if index == commands_at => match commands.try_recv() {
                    Ok(command) => self.acknowledge(command),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return End::Abandoned,
                },
                Some(index) if index == outcomes_at => match outcomes.try_recv() {
                    Ok(outcome) => self.put_aside(outcome),
                    Err(_) => None,
                },
                Some(index) => subscriptions
                    .get(index)
                    .and_then(|subscription| self.receive(subscription)),
            };
            if let Some(reason) = failure {
                return End::Lost(reason);
            }
        }
    }

    /// Takes what one queue has delivered. Returns why the session is over, if it is.
    fn receive(&mut self, subscription: &Subscription<'_>) -> Option<String> {
        let Subscription { queue, consumer } = subscription;
        let mut messages = Vec::new();
        let mut failure = None;
        for _ in 0..MAX_IN_A_ROW {
            match consumer.receiver().try_recv() {
                Ok(ConsumerMessage::Delivery(delivery)) => {
                    messages.extend(self.read(delivery, queue));
                }
                Ok(end) => {
                    failure = Some(reason(&end, queue));
                    break;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    failure = Some("the connection ended".to_owned());
                    break;
                }
            }
        }
        self.inbox.push(messages);
        failure
    }

    /// A message, or nothing when it had to be put aside.
    fn read(&mut self, mut delivery: Delivery, queue: &str) -> Option<QueuedMessage> {
        let tag = delivery.delivery_tag();
        let decoded = message::decode(&delivery.body);
        let message = match decoded {
            Ok(order_ids) => {
                // What is kept is only good for acknowledging.
                delivery.body = Vec::new();
                Some(QueuedMessage {
                    receipt: Receipt {
                        session: self.id,
                        tag,
                    },
                    order_ids,
                })
            }
            Err(error) => {
                let reason = one_line(error);
                warn!(
                    rabbitmq.queue = queue,
                    reason, "a message cannot be read and is put aside"
                );
                let copy = Outgoing::unreadable(&mut delivery, queue, &reason);
                self.set_aside.add(tag, copy);
                None
            }
        };
        self.ledger.record(tag, delivery);
        message
    }

    fn put_aside(&mut self, outcome: Outcome) -> Option<String> {
        let tags = self.set_aside.heard(outcome);
        self.settle(tags).err().map(one_line)
    }

    fn acknowledge(&mut self, command: Acknowledge) -> Option<String> {
        // Of an earlier session: void, its messages come again.
        let tags = if command.session == self.id {
            command.tags
        } else {
            Vec::new()
        };
        let result = self.settle(tags);
        // If the connection is gone, so is what there was to acknowledge.
        command.reply.give(Ok(()));
        result.err().map(one_line)
    }

    fn settle(&mut self, tags: Vec<u64>) -> amiquip::Result<()> {
        let settlement = self.ledger.settle(tags);
        let _guard = self.link.guard(Instant::now() + ACKNOWLEDGE_TIMEOUT);
        if let Some(delivery) = settlement.up_to {
            delivery.ack_multiple(self.channel)?;
        }
        for delivery in settlement.single {
            delivery.ack(self.channel)?;
        }
        Ok(())
    }
}

fn reason(end: &ConsumerMessage, queue: &str) -> String {
    match end {
        ConsumerMessage::ServerClosedChannel(error)
        | ConsumerMessage::ServerClosedConnection(error) => one_line(error),
        ConsumerMessage::ServerCancelled => {
            format!("the broker cancelled the consumer of {queue}: the queue was deleted or moved")
        }
        ConsumerMessage::Delivery(_)
        | ConsumerMessage::ClientCancelled
        | ConsumerMessage::ClientClosedChannel
        | ConsumerMessage::ClientClosedConnection => "the consumer was closed".to_owned(),
    }
}
