//! One connection of a consumer: deliveries in, acknowledgements out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Channel, Connection, ConsumerMessage, Delivery};
use crossbeam_channel::{Receiver, Select, TryRecvError};
use domain::ports::{QueuedMessage, Receipt};
use tracing::{info, warn};

use crate::consumer::Acknowledge;
use crate::inbox::{self, Inbox};
use crate::ledger::Ledger;
use crate::link::{CALL_TIMEOUT, Link, LinkError};
use crate::message;
use crate::options::RabbitOptions;
use crate::rebalancing::Rebalancing;
use crate::subscription::Subscription;
use crate::topology;
use crate::watchdog::{Guard, Watchdog};
use crate::wording::one_line;

/// Most deliveries taken from one queue before the others have their turn.
const MAX_IN_A_ROW: usize = 256;

/// How long an acknowledgement may take to reach the I/O thread before the connection is broken.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval of the search for queues beyond the configured number. Each number that is missing is an error in the broker's
/// log, so the search is rare: an order in a queue that appears meanwhile is found by the sweeper.
const SEARCH_INTERVAL: Duration = Duration::from_mins(10);

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
    ) -> End {
        let Self { mut link, channel } = self;
        let mut subscriptions = Vec::new();
        let end = match subscribe(&mut link, &channel, shards, &mut subscriptions) {
            Ok(()) => {
                // Only now: a consumer that may connect but not subscribe never gets a message, and is not up.
                inbox.begin(id);
                let mut work = Work {
                    id,
                    shards,
                    link: &mut link,
                    channel: &channel,
                    ledger: Ledger::new(),
                    inbox,
                    rebalancing: Rebalancing::default(),
                    search_at: Instant::now() + SEARCH_INTERVAL,
                };
                work.pump(&mut subscriptions, commands)
            }
            Err(error) => End::Lost(one_line(error)),
        };
        // Nothing of this session may be handed out any more; it comes again.
        inbox.end();
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
    topology::declare(&mut link.connection, &guard, options.shards())?;
    let channel = link.connection.open_channel(None)?;
    guard.renew(Instant::now() + CALL_TIMEOUT);
    // For each queue: a limit for the whole channel is something that quorum queues do not have.
    channel.qos(0, options.prefetch.max(1), false)?;
    Ok(channel)
}

/// Subscribes to all queues, beginning anywhere: the first subscriber of a queue becomes its active consumer, so workers
/// that start at the same time, or find a restarted broker at the same time, get their share each.
fn subscribe<'a>(
    link: &mut Link,
    channel: &'a Channel,
    shards: u16,
    subscriptions: &mut Vec<Subscription<'a>>,
) -> amiquip::Result<()> {
    let guard = link.guard(Instant::now() + CALL_TIMEOUT);
    let first = u16::try_from(inbox::random() % u64::from(shards)).unwrap_or_default();
    for shard in (first..shards).chain(0..first) {
        guard.renew(Instant::now() + CALL_TIMEOUT);
        subscriptions.push(Subscription::begin(channel, shard)?);
    }
    subscribe_to_surplus(&mut link.connection, &guard, channel, shards, subscriptions)
}

/// Subscribes to the queues beyond the configured number that have no subscription yet.
fn subscribe_to_surplus<'a>(
    connection: &mut Connection,
    guard: &Guard,
    channel: &'a Channel,
    shards: u16,
    subscriptions: &mut Vec<Subscription<'a>>,
) -> amiquip::Result<()> {
    for shard in topology::surplus(connection, guard, shards)? {
        if subscriptions.iter().any(|it| it.shard == shard) {
            continue;
        }
        guard.renew(Instant::now() + CALL_TIMEOUT);
        let subscription = Subscription::begin(channel, shard)?;
        info!(
            rabbitmq.queue = subscription.queue,
            rabbitmq.queues = shards,
            "a queue beyond the configured number is consumed until it is deleted"
        );
        subscriptions.push(subscription);
    }
    Ok(())
}

/// What came of a look at one queue.
enum Received {
    Messages,
    /// The subscription has ended, and the session need not.
    Cancelled,
}

/// A session at work.
struct Work<'a, 's> {
    id: u64,
    shards: u16,
    link: &'s mut Link,
    channel: &'a Channel,
    ledger: Ledger<Delivery>,
    inbox: &'s Inbox,
    rebalancing: Rebalancing,
    search_at: Instant,
}

impl<'a> Work<'a, '_> {
    fn pump(
        &mut self,
        subscriptions: &mut Vec<Subscription<'a>>,
        commands: &Receiver<Acknowledge>,
    ) -> End {
        loop {
            if let Err(end) = self.pump_until_change(subscriptions, commands) {
                return end;
            }
        }
    }

    /// Works until the set of subscriptions has changed, or the session ends (the error).
    fn pump_until_change(
        &mut self,
        subscriptions: &mut Vec<Subscription<'a>>,
        commands: &Receiver<Acknowledge>,
    ) -> Result<(), End> {
        let receivers: Vec<_> = subscriptions
            .iter()
            .map(|subscription| subscription.consumer.receiver().clone())
            .collect();
        let mut select = Select::new();
        for receiver in &receivers {
            select.recv(receiver);
        }
        let commands_at = select.recv(commands);
        loop {
            let due = self.rebalancing.wakes_at().min(self.search_at);
            match select.ready_deadline(due) {
                Err(_) => {
                    if self.keep_up(subscriptions)? {
                        return Ok(());
                    }
                }
                Ok(index) if index == commands_at => match commands.try_recv() {
                    Ok(command) => self.acknowledge(command)?,
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Err(End::Abandoned),
                },
                Ok(index) => {
                    if let Some(subscription) = subscriptions.get(index) {
                        match self.receive(subscription)? {
                            Received::Messages => {}
                            Received::Cancelled => {
                                // Its drop says goodbye too.
                                let _guard = self.link.guard(Instant::now() + CALL_TIMEOUT);
                                subscriptions.remove(index);
                                return Ok(());
                            }
                        }
                    }
                    // Under load a queue is always ready.
                    if Instant::now() >= due && self.keep_up(subscriptions)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Does what is due by the clock. Returns whether the subscriptions have changed.
    fn keep_up(&mut self, subscriptions: &mut Vec<Subscription<'a>>) -> Result<bool, End> {
        let now = Instant::now();
        if now >= self.search_at {
            self.search_at = now + SEARCH_INTERVAL;
            let guard = self.link.guard(now + CALL_TIMEOUT);
            subscribe_to_surplus(
                &mut self.link.connection,
                &guard,
                self.channel,
                self.shards,
                subscriptions,
            )
            .map_err(lost)?;
            return Ok(true);
        }
        let shards = subscriptions.iter().map(|it| it.shard);
        let Some(released) = self.rebalancing.next(self.inbox.share(), shards, now) else {
            return Ok(false);
        };
        let Some(index) = subscriptions.iter().position(|it| it.shard == released) else {
            return Ok(false);
        };
        self.release(&mut subscriptions[index])?;
        Ok(true)
    }

    /// Lets the next consumer that waits become active on a queue, and waits behind the others from then on. What was
    /// delivered stays with this consumer, which acknowledges it: nothing is returned to the queue.
    fn release(&mut self, subscription: &mut Subscription<'a>) -> Result<(), End> {
        {
            let _guard = self.link.guard(Instant::now() + CALL_TIMEOUT);
            subscription.consumer.cancel().map_err(lost)?;
        }
        // The last deliveries, and then the end of the subscription.
        while !matches!(self.receive(subscription)?, Received::Cancelled) {
            std::thread::yield_now();
        }
        let _guard = self.link.guard(Instant::now() + CALL_TIMEOUT);
        *subscription = Subscription::begin(self.channel, subscription.shard).map_err(lost)?;
        info!(
            rabbitmq.session = self.id,
            rabbitmq.queue = subscription.queue,
            "released a queue to the other consumers"
        );
        Ok(())
    }

    /// Takes what one queue has delivered.
    fn receive(&mut self, subscription: &Subscription<'_>) -> Result<Received, End> {
        let mut messages = Vec::new();
        let mut received = Ok(Received::Messages);
        for _ in 0..MAX_IN_A_ROW {
            match subscription.consumer.receiver().try_recv() {
                Ok(ConsumerMessage::Delivery(delivery)) => {
                    messages.extend(self.read(delivery, &subscription.queue)?);
                }
                Ok(ConsumerMessage::ClientCancelled) => {
                    received = Ok(Received::Cancelled);
                    break;
                }
                Ok(ConsumerMessage::ServerCancelled) if subscription.shard >= self.shards => {
                    info!(
                        rabbitmq.queue = subscription.queue,
                        "a queue beyond the configured number was deleted"
                    );
                    received = Ok(Received::Cancelled);
                    break;
                }
                Ok(end) => {
                    received = Err(End::Lost(reason(&end, &subscription.queue)));
                    break;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    received = Err(End::Lost("the connection ended".to_owned()));
                    break;
                }
            }
        }
        self.inbox.push(messages);
        received
    }

    /// A message, or nothing if it cannot be read: then it is rejected, and the broker dead-letters it.
    fn read(&mut self, mut delivery: Delivery, queue: &str) -> Result<Option<QueuedMessage>, End> {
        let tag = delivery.delivery_tag();
        match message::decode(&delivery.body) {
            Ok(order_ids) => {
                // What is kept is only good for acknowledging.
                delivery.body = Vec::new();
                self.ledger.record(tag, delivery);
                Ok(Some(QueuedMessage {
                    receipt: Receipt {
                        session: self.id,
                        tag,
                    },
                    order_ids,
                }))
            }
            Err(error) => {
                warn!(
                    rabbitmq.queue = queue,
                    reason = %one_line(error),
                    "message cannot be read and is dead-lettered"
                );
                let _guard = self.link.guard(Instant::now() + ACKNOWLEDGE_TIMEOUT);
                delivery.reject(self.channel, false).map_err(lost)?;
                self.ledger.skip(tag);
                Ok(None)
            }
        }
    }

    fn acknowledge(&mut self, command: Acknowledge) -> Result<(), End> {
        // Of an earlier session: void, its messages come again.
        let tags = if command.session == self.id {
            command.tags
        } else {
            Vec::new()
        };
        let result = self.settle(tags);
        // If the connection is gone, so is what there was to acknowledge.
        command.reply.give(Ok(()));
        result.map_err(lost)
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

fn lost(error: amiquip::Error) -> End {
    End::Lost(one_line(error))
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
