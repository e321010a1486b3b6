//! One connection of a publisher: publishes with confirms, and counts and prunes messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Channel, Confirm, ConnectionBlockedNotification, Return};
use crossbeam_channel::{Receiver, select};
use domain::ports::Backlog;
use tracing::{info, warn};

use crate::broker_connection::{BrokerConnection, BrokerError, CALL_TIMEOUT};
use crate::confirms::Confirms;
use crate::log_text::one_line;
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::publisher::Published;
use crate::topology::{self, Calls, DEAD_QUEUE, EXCHANGE};
use crate::watchdog::Watchdog;

/// Delay between the deadline of a call and shutting its socket down, if `amiquip` still blocks the thread.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// Time to wait for confirms after the broker has sent `connection.blocked`.
const BLOCKED_GRACE: Duration = Duration::from_secs(1);

/// Maximum dead messages removed by one call, because publishing waits meanwhile.
const MAX_PRUNED: u64 = 500;

/// Reason why a call failed, and whether the session must be replaced.
pub(crate) struct CallFailed {
    pub(crate) reason: String,
    pub(crate) is_broken: bool,
}

impl CallFailed {
    fn broken(reason: String) -> Self {
        Self {
            reason,
            is_broken: true,
        }
    }
}

impl From<amiquip::Error> for CallFailed {
    fn from(error: amiquip::Error) -> Self {
        Self::broken(one_line(error))
    }
}

/// An event that ends [`PublisherSession::wait`].
pub(crate) enum Event<C> {
    /// A command was received.
    Command(C),
    /// [`PublisherSession::blocked`] has changed.
    Blocked,
    /// The connection ended.
    Ended,
    /// All handles of the publisher were dropped.
    HandleDropped,
}

/// An open session. The connection is the first field so that on a panic it is dropped, and closed, before the channel.
pub(crate) struct PublisherSession {
    broker: BrokerConnection,
    channel: Channel,
    confirms: Receiver<Confirm>,
    returns: Receiver<Return>,
    notifications: Receiver<ConnectionBlockedNotification>,
    blocked: Option<String>,
    next_tag: u64,
    shards: u16,
    /// Numbers of the queues above the configured number.
    surplus: Vec<u16>,
}

impl PublisherSession {
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, BrokerError> {
        let shards = options.shards();
        let (broker, (channel, confirms, returns, notifications, surplus)) =
            BrokerConnection::open_with(options, watchdog, |connection, guard| {
                let notifications = connection.listen_for_connection_blocked()?;
                topology::declare(connection, guard, shards)?;
                let surplus = topology::surplus(connection, guard, shards)?;
                let channel = connection.open_channel(None)?;
                let confirms = channel.listen_for_publisher_confirms()?;
                let returns = channel.listen_for_returns()?;
                guard.renew(Instant::now() + CALL_TIMEOUT);
                channel.enable_publisher_confirms()?;
                Ok((channel, confirms, returns, notifications, surplus))
            })?;
        Ok(Self {
            broker,
            channel,
            confirms,
            returns,
            notifications,
            blocked: None,
            next_tag: 1,
            shards,
            surplus,
        })
    }

    /// Returns the reason why the broker blocks publishers, if it does.
    pub(crate) fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }

    /// Closes the session. Returns the error that had already ended the connection, if any.
    pub(crate) fn close(self) -> Option<amiquip::Error> {
        if self.blocked.is_some() {
            // A broker that blocks publishers would not read the close frame.
            self.broker.abort();
        }
        self.broker.close()
    }

    /// Waits for a command or a change of the connection.
    pub(crate) fn wait<C>(&mut self, commands: &Receiver<C>) -> Event<C> {
        loop {
            select! {
                recv(commands) -> command => return command.map_or(Event::HandleDropped, Event::Command),
                recv(self.notifications) -> notification => match notification {
                    Ok(notification) => {
                        self.on_blocked_notification(notification);
                        return Event::Blocked;
                    }
                    Err(_) => return Event::Ended,
                },
                // Late confirms of calls that timed out are ignored. The I/O thread closes the channel when it ends.
                recv(self.confirms) -> confirm => if confirm.is_err() {
                    return Event::Ended;
                },
                recv(self.returns) -> returned => if returned.is_err() {
                    return Event::Ended;
                },
            }
        }
    }

    /// Sends the messages and waits for their confirms until the deadline. The second value is the reason why the
    /// session must be replaced, if it must.
    pub(crate) fn publish(
        &mut self,
        messages: &[Outgoing],
        deadline: Instant,
    ) -> (Published, Option<String>) {
        let mut confirms = Confirms::new(self.next_tag);
        let mut cut_short = None;
        let mut broken = None;
        let guard = self.broker.guard(deadline + DEADLINE_SLACK);
        for message in messages {
            self.read_notifications();
            if self.blocked.is_some() || Instant::now() >= deadline {
                cut_short = Some(self.overdue());
                break;
            }
            let publish = message.publish(self.next_tag);
            if let Err(error) = self.channel.basic_publish(EXCHANGE, publish) {
                broken = Some(one_line(error));
                break;
            }
            confirms.on_sent();
            self.next_tag += 1;
        }
        drop(guard);
        let unroutable = match self.await_confirms(&mut confirms, deadline) {
            Ok(ConfirmsReceived { unroutable, all }) => {
                if !all {
                    cut_short = Some(self.overdue());
                    if !confirms.any_decided() && self.blocked.is_none() {
                        // Not a single confirm before the deadline: reconnecting shows whether the broker is reachable.
                        broken = broken.or_else(|| cut_short.clone());
                    }
                }
                unroutable
            }
            Err(reason) => {
                broken = broken.or(Some(reason));
                false
            }
        };
        if unroutable {
            // A queue or binding was deleted: the next session declares it again.
            broken = broken.or(Some("a message was returned as unroutable".to_owned()));
        } else {
            cut_short = cut_short.or_else(|| broken.clone());
        }
        let confirmed = confirms.into_confirmed(messages.len());
        (
            Published {
                confirmed,
                cut_short,
            },
            broken,
        )
    }

    /// Counts the pending messages and the dead messages.
    pub(crate) fn backlog(&mut self, deadline: Instant) -> Result<Backlog, CallFailed> {
        self.fail_if_blocked()?;
        let guard = self.broker.guard(deadline + DEADLINE_SLACK);
        let mut calls = Calls::new(&mut self.broker.connection, &guard);
        let mut count = |name: &str| -> Result<u64, CallFailed> {
            // A missing queue is declared by the next session.
            calls
                .message_count(name)?
                .ok_or_else(|| CallFailed::broken(format!("queue {name} does not exist")))
        };
        let mut backlog = Backlog {
            dead: count(DEAD_QUEUE)?,
            ..Backlog::default()
        };
        for shard in 0..self.shards {
            backlog.waiting += count(&topology::queue_name(shard))?;
        }
        let mut left = Vec::new();
        for shard in std::mem::take(&mut self.surplus) {
            // A missing surplus queue was deleted, which is allowed.
            if let Some(messages) = calls.message_count(&topology::queue_name(shard))? {
                backlog.surplus += messages;
                left.push(shard);
            }
        }
        self.surplus = left;
        backlog.waiting += backlog.surplus;
        Ok(backlog)
    }

    /// Removes the oldest dead messages until `keep` are left, at most [`MAX_PRUNED`]. Returns the number of removed
    /// messages.
    pub(crate) fn prune_dead_messages(
        &mut self,
        keep: u64,
        deadline: Instant,
    ) -> Result<u64, CallFailed> {
        self.fail_if_blocked()?;
        let guard = self.broker.guard(deadline + DEADLINE_SLACK);
        let mut calls = Calls::new(&mut self.broker.connection, &guard);
        let above = calls.message_count(DEAD_QUEUE)?.unwrap_or_default();
        let above = above.saturating_sub(keep).min(MAX_PRUNED);
        let mut pruned = 0;
        while pruned < above && Instant::now() < deadline {
            let taken = calls.call(|channel| channel.basic_get(DEAD_QUEUE, true))?;
            if taken.is_none() {
                break;
            }
            pruned += 1;
        }
        Ok(pruned)
    }

    fn fail_if_blocked(&mut self) -> Result<(), CallFailed> {
        self.read_notifications();
        if self.blocked.is_none() {
            return Ok(());
        }
        Err(CallFailed {
            reason: self.overdue(),
            is_broken: false,
        })
    }

    /// Waits until every sent message is confirmed or refused, or the deadline passes. Returns an error if the
    /// connection ends.
    fn await_confirms(
        &mut self,
        confirms: &mut Confirms,
        mut deadline: Instant,
    ) -> Result<ConfirmsReceived, String> {
        let mut unroutable = false;
        while confirms.any_open() {
            let left = deadline.saturating_duration_since(Instant::now());
            select! {
                recv(self.confirms) -> confirm => match confirm {
                    Ok(confirm) => {
                        // The broker returns an unroutable message and then acknowledges it. The return arrives before
                        // the confirm, so the returns are read first.
                        unroutable |= self.read_returns(confirms)?;
                        confirms.on_confirm(confirm);
                    }
                    Err(_) => return Err("the connection ended".to_owned()),
                },
                recv(self.notifications) -> notification => match notification {
                    Ok(notification) => {
                        self.on_blocked_notification(notification);
                        if self.blocked.is_some() {
                            deadline = deadline.min(Instant::now() + BLOCKED_GRACE);
                        }
                    }
                    // The channel of confirms reports the end of the connection, after the last confirm.
                    Err(_) => self.notifications = crossbeam_channel::never(),
                },
                default(left) => return Ok(ConfirmsReceived { unroutable, all: false }),
            }
        }
        Ok(ConfirmsReceived {
            unroutable,
            all: true,
        })
    }

    /// Reads the messages returned so far. Returns whether there were any.
    fn read_returns(&self, confirms: &mut Confirms) -> Result<bool, String> {
        let mut any = false;
        for returned in self.returns.try_iter() {
            let id = returned.properties.message_id().as_deref();
            let Some(tag) = id.and_then(|id| id.parse().ok()) else {
                return Err("the broker returned a message that was not sent".to_owned());
            };
            warn!(
                rabbitmq.exchange = %one_line(returned.exchange),
                rabbitmq.routing_key = %one_line(returned.routing_key),
                reason = %one_line(returned.reply_text),
                "message returned as unroutable"
            );
            confirms.on_return(tag);
            any = true;
        }
        Ok(any)
    }

    fn read_notifications(&mut self) {
        while let Ok(notification) = self.notifications.try_recv() {
            self.on_blocked_notification(notification);
        }
    }

    fn on_blocked_notification(&mut self, notification: ConnectionBlockedNotification) {
        self.blocked = match notification {
            ConnectionBlockedNotification::Blocked(reason) => Some(one_line(reason)),
            ConnectionBlockedNotification::Unblocked => None,
        };
        if let Some(reason) = &self.blocked {
            warn!(reason, "broker blocks publishers");
        } else {
            info!("broker no longer blocks publishers");
        }
    }

    fn overdue(&self) -> String {
        match &self.blocked {
            Some(reason) => format!("the broker blocks publishers: {reason}"),
            None => "the broker did not confirm in time".to_owned(),
        }
    }
}

struct ConfirmsReceived {
    /// At least one message was returned as unroutable.
    unroutable: bool,
    /// Every message is confirmed or refused.
    all: bool,
}
