//! One connection of a consumer: receives deliveries and sends acknowledgements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Channel, Connection, ConsumerMessage, Delivery};
use crossbeam_channel::{Receiver, Select, TryRecvError};
use domain::ports::{QueuedMessage, Receipt};
use tracing::{info, warn};

use crate::broker_connection::{BrokerConnection, BrokerError, CALL_TIMEOUT};
use crate::consumer::Acknowledge;
use crate::delivery_tracker::DeliveryTracker;
use crate::inbox::{self, Inbox};
use crate::log_text::one_line;
use crate::message;
use crate::options::RabbitOptions;
use crate::rebalancing::Rebalancing;
use crate::session_loop::End;
use crate::subscription::Subscription;
use crate::topology;
use crate::trace_headers;
use crate::watchdog::{Guard, Watchdog};

/// Maximum deliveries read from one queue before the other queues are read.
const MAX_DELIVERIES_PER_READ: usize = 256;

/// Time limit for passing an acknowledgement to the I/O thread, after which the connection is shut down.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval of the search for queues above the configured number. Each missing queue is an error in the broker's log,
/// so the search is rare. An order in a queue that appears meanwhile is requeued by the sweeper.
const SEARCH_INTERVAL: Duration = Duration::from_mins(10);

/// An open session. The connection is the first field so that on a panic it is dropped, and closed, before the channel.
pub(crate) struct ConsumerSession {
    broker: BrokerConnection,
    channel: Channel,
    shards: u16,
}

impl ConsumerSession {
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, BrokerError> {
        let shards = options.shards();
        let (broker, channel) =
            BrokerConnection::open_with(options, watchdog, |connection, guard| {
                topology::declare(connection, guard, shards)?;
                let channel = connection.open_channel(None)?;
                guard.renew(Instant::now() + CALL_TIMEOUT);
                // Per consumer (global = false): quorum queues do not support a prefetch for the whole channel.
                channel.qos(0, options.prefetch.max(1), false)?;
                Ok(channel)
            })?;
        Ok(Self {
            broker,
            channel,
            shards,
        })
    }

    /// Processes deliveries and commands until the session ends, then closes the session.
    pub(crate) fn run(self, id: u64, commands: &Receiver<Acknowledge>, inbox: &Inbox) -> End {
        let Self {
            mut broker,
            channel,
            shards,
        } = self;
        let mut subscriptions = Vec::new();
        let end = match subscribe(&mut broker, &channel, shards, &mut subscriptions) {
            Ok(()) => {
                // Not earlier: a consumer that cannot subscribe receives no messages and must not count as up.
                inbox.begin(id);
                let mut session = ActiveSession {
                    id,
                    shards,
                    broker: &mut broker,
                    channel: &channel,
                    tracker: DeliveryTracker::new(),
                    inbox,
                    rebalancing: Rebalancing::default(),
                    search_at: Instant::now() + SEARCH_INTERVAL,
                };
                session.pump(&mut subscriptions, commands)
            }
            Err(error) => lost(error),
        };
        // Discards messages of this session that were not handed out: the broker redelivers them.
        inbox.end();
        // The connection closes before the subscriptions: the broker requeues all unacknowledged messages at once.
        let cause = broker.close();
        drop(subscriptions);
        drop(channel);
        match (end, cause) {
            (End::Lost(_), Some(cause)) => lost(cause),
            (end, _) => end,
        }
    }
}

/// Subscribes to all queues, starting at a random one: the first subscriber of a queue becomes its active consumer, so
/// workers that start (or reconnect to a restarted broker) at the same time each get some queues.
fn subscribe<'a>(
    broker: &mut BrokerConnection,
    channel: &'a Channel,
    shards: u16,
    subscriptions: &mut Vec<Subscription<'a>>,
) -> amiquip::Result<()> {
    let guard = broker.guard(Instant::now() + CALL_TIMEOUT);
    let first = u16::try_from(inbox::random() % u64::from(shards)).unwrap_or_default();
    for shard in (first..shards).chain(0..first) {
        guard.renew(Instant::now() + CALL_TIMEOUT);
        subscriptions.push(Subscription::begin(channel, shard)?);
    }
    subscribe_to_surplus(
        &mut broker.connection,
        &guard,
        channel,
        shards,
        subscriptions,
    )
}

/// Subscribes to the queues above the configured number that have no subscription yet.
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
            "consuming a queue above the configured number until it is deleted"
        );
        subscriptions.push(subscription);
    }
    Ok(())
}

/// Result of reading one queue.
#[derive(PartialEq, Eq)]
enum Received {
    Messages,
    /// The subscription ended; the session can continue.
    Cancelled,
}

/// The state of a running session.
struct ActiveSession<'a, 's> {
    id: u64,
    shards: u16,
    broker: &'s mut BrokerConnection,
    channel: &'a Channel,
    tracker: DeliveryTracker<Delivery>,
    inbox: &'s Inbox,
    rebalancing: Rebalancing,
    search_at: Instant,
}

impl<'a> ActiveSession<'a, '_> {
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

    /// Processes events until the set of subscriptions changes. Returns an error when the session ends.
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
                    if self.run_due_tasks(subscriptions)? {
                        return Ok(());
                    }
                }
                Ok(index) if index == commands_at => match commands.try_recv() {
                    Ok(command) => self.acknowledge(command)?,
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Err(End::HandleDropped),
                },
                Ok(index) => {
                    if self.receive(&subscriptions[index])? == Received::Cancelled {
                        // Dropping a subscription also waits for the broker.
                        let _guard = self.broker.guard(Instant::now() + CALL_TIMEOUT);
                        subscriptions.remove(index);
                        return Ok(());
                    }
                    // Under load a queue is always ready, so the deadline is checked here as well.
                    if Instant::now() >= due && self.run_due_tasks(subscriptions)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Performs the periodic tasks that are due. Returns whether the subscriptions have changed.
    fn run_due_tasks(&mut self, subscriptions: &mut Vec<Subscription<'a>>) -> Result<bool, End> {
        let now = Instant::now();
        if now >= self.search_at {
            self.search_at = now + SEARCH_INTERVAL;
            let guard = self.broker.guard(now + CALL_TIMEOUT);
            subscribe_to_surplus(
                &mut self.broker.connection,
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

    /// Makes the next waiting consumer active on a queue, and subscribes again behind the others. Delivered messages stay here.
    fn release(&mut self, subscription: &mut Subscription<'a>) -> Result<(), End> {
        {
            let _guard = self.broker.guard(Instant::now() + CALL_TIMEOUT);
            subscription.consumer.cancel().map_err(lost)?;
        }
        // Reads the last deliveries, then the end of the subscription.
        while self.receive(subscription)? == Received::Messages {
            std::thread::yield_now();
        }
        let _guard = self.broker.guard(Instant::now() + CALL_TIMEOUT);
        *subscription = Subscription::begin(self.channel, subscription.shard).map_err(lost)?;
        info!(
            rabbitmq.session = self.id,
            rabbitmq.queue = subscription.queue,
            "released a queue to the other consumers"
        );
        Ok(())
    }

    /// Reads the pending deliveries of one queue.
    fn receive(&mut self, subscription: &Subscription<'_>) -> Result<Received, End> {
        let mut messages = Vec::new();
        let mut received = Ok(Received::Messages);
        for _ in 0..MAX_DELIVERIES_PER_READ {
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
                        "a queue above the configured number was deleted"
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

    /// Decodes a delivery. Rejects one that cannot be decoded, so that the broker dead-letters it.
    fn read(&mut self, mut delivery: Delivery, queue: &str) -> Result<Option<QueuedMessage>, End> {
        let tag = delivery.delivery_tag();
        match message::decode(&delivery.body) {
            Ok(order_ids) => {
                // The delivery is kept only for acknowledging it.
                delivery.body = Vec::new();
                let traces = trace_headers::read(&delivery.properties);
                self.tracker.record(tag, delivery);
                Ok(Some(QueuedMessage {
                    receipt: Receipt {
                        session: self.id,
                        tag,
                    },
                    order_ids,
                    traces,
                }))
            }
            Err(error) => {
                warn!(
                    rabbitmq.queue = queue,
                    reason = %one_line(error),
                    "message cannot be read and is dead-lettered"
                );
                let _guard = self.broker.guard(Instant::now() + ACKNOWLEDGE_TIMEOUT);
                delivery.reject(self.channel, false).map_err(lost)?;
                self.tracker.skip(tag);
                Ok(None)
            }
        }
    }

    fn acknowledge(&mut self, command: Acknowledge) -> Result<(), End> {
        // Tags of an earlier session are ignored: the broker redelivers its messages.
        let tags = if command.session == self.id {
            command.tags
        } else {
            Vec::new()
        };
        let result = self.send_acknowledgements(tags);
        // `Ok` even if the connection is lost: there is nothing left to acknowledge then.
        let _ = command.reply.send(Ok(()));
        result.map_err(lost)
    }

    fn send_acknowledgements(&mut self, tags: Vec<u64>) -> amiquip::Result<()> {
        let acknowledgement = self.tracker.acknowledge(tags);
        let _guard = self.broker.guard(Instant::now() + ACKNOWLEDGE_TIMEOUT);
        if let Some(delivery) = acknowledgement.up_to {
            delivery.ack_multiple(self.channel)?;
        }
        for delivery in acknowledgement.single {
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
