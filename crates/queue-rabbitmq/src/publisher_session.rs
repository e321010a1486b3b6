//! One connection of a publisher: publishing with confirms, and counting what waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{Channel, Confirm, ConnectionBlockedNotification, Return};
use crossbeam_channel::{Receiver, TryRecvError, select};
use domain::ports::Backlog;
use tracing::{info, warn};

use crate::confirms::Confirms;
use crate::link::{CALL_TIMEOUT, Link, LinkError};
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::publisher::Published;
use crate::topology::{self, Calls, DEAD_QUEUE, EXCHANGE};
use crate::watchdog::Watchdog;
use crate::wording::one_line;

/// How much later than a call's deadline its socket is broken, if `amiquip` still holds the thread.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// How long confirms are still awaited once the broker has said that it no longer reads.
const BLOCKED_GRACE: Duration = Duration::from_secs(1);

/// Most dead messages removed by one call: publishing waits meanwhile.
const MAX_PRUNED: u64 = 500;

/// Why a call failed, and whether the session must be replaced.
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

/// What happened while nothing was to be done.
pub(crate) enum Event<C> {
    /// There is something to be done.
    Command(C),
    /// [`PublisherSession::blocked`] has changed.
    Blocked,
    /// The session is over.
    Ended,
    /// Nobody is left to work for.
    Abandoned,
}

/// An open session. The link comes first: when this is dropped by a panic, its goodbye must come before the channel's.
pub(crate) struct PublisherSession {
    link: Link,
    channel: Channel,
    confirms: Receiver<Confirm>,
    returns: Receiver<Return>,
    notifications: Receiver<ConnectionBlockedNotification>,
    blocked: Option<String>,
    next_tag: u64,
    /// Queues beyond the configured number.
    surplus: Vec<u16>,
}

impl PublisherSession {
    pub(crate) fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self, LinkError> {
        let mut link = Link::open(options, watchdog)?;
        match prepare(&mut link, options.shards()) {
            Ok((channel, confirms, returns, notifications, surplus)) => Ok(Self {
                link,
                channel,
                confirms,
                returns,
                notifications,
                blocked: None,
                next_tag: 1,
                surplus,
            }),
            Err(error) => {
                link.close();
                Err(error)
            }
        }
    }

    /// Why the broker does not take messages, if so.
    pub(crate) fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }

    /// Ends the session, within bounds. Returns why it had ended already, if it had.
    pub(crate) fn close(self) -> Option<amiquip::Error> {
        if self.blocked.is_some() {
            // It would not read our goodbye.
            self.link.sever();
        }
        self.link.close()
    }

    /// Waits for something to do, with an ear on the connection.
    pub(crate) fn wait<C>(&mut self, commands: &Receiver<C>) -> Event<C> {
        loop {
            select! {
                recv(commands) -> command => return command.map_or(Event::Abandoned, Event::Command),
                recv(self.notifications) -> note => match note {
                    Ok(note) => {
                        self.note(note);
                        return Event::Blocked;
                    }
                    Err(_) => return Event::Ended,
                },
                // Late words on calls that were given up. The I/O thread hangs up when it ends.
                recv(self.confirms) -> confirm => if confirm.is_err() {
                    return Event::Ended;
                },
                recv(self.returns) -> returned => if returned.is_err() {
                    return Event::Ended;
                },
            }
        }
    }

    /// Sends the messages and waits for the broker's word on each, until the deadline. The second value says why the
    /// session must be replaced, if it must.
    pub(crate) fn publish(
        &mut self,
        messages: &[Outgoing],
        deadline: Instant,
    ) -> (Published, Option<String>) {
        let mut confirms = Confirms::new(self.next_tag);
        let mut cut_short = None;
        let mut broken = None;
        let guard = self.link.guard(deadline + DEADLINE_SLACK);
        for message in messages {
            self.hear_notifications();
            if self.blocked.is_some() || Instant::now() >= deadline {
                cut_short = Some(self.overdue());
                break;
            }
            let publish = message.publish(self.next_tag);
            if let Err(error) = self.channel.basic_publish(EXCHANGE, publish) {
                broken = Some(one_line(error));
                break;
            }
            confirms.sent();
            self.next_tag += 1;
        }
        drop(guard);
        let unroutable = match self.await_confirms(&mut confirms, deadline) {
            Ok(Heard { unroutable, all }) => {
                if !all {
                    cut_short = Some(self.overdue());
                    if !confirms.any_decided() && self.blocked.is_none() {
                        // Not a word for all this time: a fresh connection tells whether the broker is there at all.
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
            // A queue or binding is gone: the next session declares it again.
            broken = broken.or(Some("no queue took a message".to_owned()));
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

    /// How many messages wait, and how many are dead.
    pub(crate) fn backlog(
        &mut self,
        shards: u16,
        deadline: Instant,
    ) -> Result<Backlog, CallFailed> {
        self.fail_if_blocked()?;
        let guard = self.link.guard(deadline + DEADLINE_SLACK);
        let mut calls = Calls::new(&mut self.link.connection, &guard);
        let mut count = |name: &str| -> Result<u64, CallFailed> {
            // A queue that is missing is declared by the next session.
            calls
                .message_count(name)?
                .ok_or_else(|| CallFailed::broken(format!("queue {name} does not exist")))
        };
        let mut backlog = Backlog {
            dead: count(DEAD_QUEUE)?,
            ..Backlog::default()
        };
        for shard in 0..shards {
            backlog.waiting += count(&topology::queue_name(shard))?;
        }
        let mut left = Vec::new();
        for shard in std::mem::take(&mut self.surplus) {
            // One that is missing was deleted, as it may be.
            if let Some(messages) = calls.message_count(&topology::queue_name(shard))? {
                backlog.surplus += messages;
                left.push(shard);
            }
        }
        self.surplus = left;
        backlog.waiting += backlog.surplus;
        Ok(backlog)
    }

    /// Removes the oldest dead messages above a number, at most [`MAX_PRUNED`] of them. Returns how many were removed.
    pub(crate) fn prune_dead_messages(
        &mut self,
        keep: u64,
        deadline: Instant,
    ) -> Result<u64, CallFailed> {
        self.fail_if_blocked()?;
        let guard = self.link.guard(deadline + DEADLINE_SLACK);
        let mut calls = Calls::new(&mut self.link.connection, &guard);
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
        self.hear_notifications();
        if self.blocked.is_none() {
            return Ok(());
        }
        Err(CallFailed {
            reason: self.overdue(),
            is_broken: false,
        })
    }

    /// Waits until the broker was heard on every message sent, the deadline passed, or the connection ended (the error).
    fn await_confirms(
        &mut self,
        confirms: &mut Confirms,
        mut deadline: Instant,
    ) -> Result<Heard, String> {
        let mut unroutable = false;
        while confirms.any_open() {
            let left = deadline.saturating_duration_since(Instant::now());
            select! {
                recv(self.confirms) -> confirm => match confirm {
                    Ok(confirm) => {
                        // A message that no queue took is returned and then acknowledged all the same. The return is
                        // here before the confirm is, so it must be looked at first.
                        unroutable |= self.hear_returns(confirms)?;
                        confirms.heard(confirm);
                    }
                    Err(_) => return Err("the connection ended".to_owned()),
                },
                recv(self.notifications) -> note => match note {
                    Ok(note) => {
                        self.note(note);
                        if self.blocked.is_some() {
                            deadline = deadline.min(Instant::now() + BLOCKED_GRACE);
                        }
                    }
                    // The confirms say the same, after the last of them.
                    Err(_) => self.notifications = crossbeam_channel::never(),
                },
                default(left) => return Ok(Heard { unroutable, all: false }),
            }
        }
        Ok(Heard {
            unroutable,
            all: true,
        })
    }

    /// Takes what was returned so far. Returns whether anything was.
    fn hear_returns(&self, confirms: &mut Confirms) -> Result<bool, String> {
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
                "no queue took a message"
            );
            confirms.returned(tag);
            any = true;
        }
        Ok(any)
    }

    fn hear_notifications(&mut self) {
        loop {
            match self.notifications.try_recv() {
                Ok(note) => self.note(note),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn note(&mut self, note: ConnectionBlockedNotification) {
        self.blocked = match note {
            ConnectionBlockedNotification::Blocked(reason) => Some(one_line(reason)),
            ConnectionBlockedNotification::Unblocked => None,
        };
        if let Some(reason) = &self.blocked {
            warn!(reason, "the broker blocks publishers");
        } else {
            info!("the broker no longer blocks publishers");
        }
    }

    fn overdue(&self) -> String {
        match &self.blocked {
            Some(reason) => format!("the broker blocks publishers: {reason}"),
            None => "the broker did not confirm in time".to_owned(),
        }
    }
}

struct Heard {
    /// Some message came back.
    unroutable: bool,
    /// Nothing is undecided.
    all: bool,
}

type Prepared = (
    Channel,
    Receiver<Confirm>,
    Receiver<Return>,
    Receiver<ConnectionBlockedNotification>,
    Vec<u16>,
);

fn prepare(link: &mut Link, shards: u16) -> Result<Prepared, LinkError> {
    // Before the channel, so that the channel's goodbye on the way out is guarded too.
    let guard = link.guard(Instant::now() + CALL_TIMEOUT);
    let notifications = link.connection.listen_for_connection_blocked()?;
    topology::declare(&mut link.connection, &guard, shards)?;
    let surplus = topology::surplus(&mut link.connection, &guard, shards)?;
    let channel = link.connection.open_channel(None)?;
    let confirms = channel.listen_for_publisher_confirms()?;
    let returns = channel.listen_for_returns()?;
    guard.renew(Instant::now() + CALL_TIMEOUT);
    channel.enable_publisher_confirms()?;
    Ok((channel, confirms, returns, notifications, surplus))
}
