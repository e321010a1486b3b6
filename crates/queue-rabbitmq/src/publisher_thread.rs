//! The publisher thread: connects, executes one call at a time, and reconnects.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use domain::ports::QueueError;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::backoff::{Backoff, pause};
use crate::log_text::one_line;
use crate::options::RabbitOptions;
use crate::publisher::{Command, State};
use crate::publisher_session::{CallFailed, Event, PublisherSession};
use crate::reply::Reply;
use crate::watchdog::Watchdog;

const NAME: &str = "rabbitmq-publisher";

/// Starts the thread, which ends when the last sender of commands is dropped. If the thread cannot be started, both
/// channels are closed.
pub(crate) fn spawn(
    options: RabbitOptions,
    commands: Receiver<Command>,
    state: watch::Sender<State>,
) {
    let spawned = Watchdog::start(NAME).and_then(|watchdog| {
        let thread = PublisherThread {
            options,
            commands,
            state,
            watchdog: Arc::new(watchdog),
        };
        thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || thread.run())
    });
    if let Err(error) = spawned {
        error!(%error, "cannot start the publisher's threads");
    }
}

struct PublisherThread {
    options: RabbitOptions,
    commands: Receiver<Command>,
    state: watch::Sender<State>,
    watchdog: Arc<Watchdog>,
}

/// Reason why a session ended.
enum End {
    HandleDropped,
    Lost(Option<String>),
}

impl PublisherThread {
    fn run(self) {
        let mut backoff = Backoff::new();
        while let Some(mut session) = self.connect(&mut backoff) {
            let since = Instant::now();
            self.state.send_replace(State::Up);
            info!(
                rabbitmq.host = self.options.host,
                rabbitmq.port = self.options.port,
                rabbitmq.vhost = self.options.vhost,
                "publisher connected"
            );
            let end = self.serve(&mut session);
            self.state.send_replace(State::Connecting);
            let cause = session.close();
            let End::Lost(reason) = end else {
                info!("publisher disconnected");
                return;
            };
            // The error of the connection is closest to the cause.
            let reason = cause.map(one_line).or(reason).unwrap_or_default();
            let uptime = since.elapsed();
            let length = backoff.after_session(uptime);
            warn!(
                reason,
                uptime_ms = millis(uptime),
                retry_in_ms = millis(length),
                "publisher lost its connection"
            );
            if !pause(&self.commands, length, |command| command.fail(&reason)) {
                return;
            }
        }
    }

    /// Retries until a session is open. Returns `None` if all handles of the publisher were dropped.
    fn connect(&self, backoff: &mut Backoff) -> Option<PublisherSession> {
        loop {
            let reason = match PublisherSession::open(&self.options, &self.watchdog) {
                Ok(session) => return Some(session),
                Err(error) => one_line(error),
            };
            let length = backoff.after_failure();
            warn!(
                rabbitmq.host = self.options.host,
                rabbitmq.port = self.options.port,
                rabbitmq.vhost = self.options.vhost,
                reason,
                retry_in_ms = millis(length),
                "publisher cannot connect"
            );
            self.state.send_replace(State::Down(reason.clone()));
            if !pause(&self.commands, length, |command| command.fail(&reason)) {
                return None;
            }
        }
    }

    fn serve(&self, session: &mut PublisherSession) -> End {
        loop {
            let broken = match session.wait(&self.commands) {
                Event::Command(command) => self.execute(session, command),
                Event::Blocked => None,
                Event::Ended => return End::Lost(None),
                Event::HandleDropped => return End::HandleDropped,
            };
            if broken.is_some() {
                return End::Lost(broken);
            }
            self.show(session, false);
        }
    }

    /// Publishes the state of the session to the async side, before the reply to a call, so that the next call sees it.
    fn show(&self, session: &PublisherSession, broken: bool) {
        let now = match session.blocked() {
            _ if broken => State::Connecting,
            Some(reason) => State::Blocked(reason.to_owned()),
            None => State::Up,
        };
        self.state.send_if_modified(|state| {
            let changed = *state != now;
            *state = now;
            changed
        });
    }

    /// Executes a command. Returns the reason why the session must be replaced, if it must.
    fn execute(&self, session: &mut PublisherSession, command: Command) -> Option<String> {
        if Instant::now() >= command.deadline() {
            // The caller has timed out and will retry: publishing now would only make duplicates.
            command.fail("too many pending calls");
            return None;
        }
        match command {
            Command::Publish {
                messages,
                deadline,
                reply,
            } => {
                let (published, broken) = session.publish(&messages, deadline);
                self.show(session, broken.is_some());
                reply.send(Ok(published));
                broken
            }
            Command::Backlog { deadline, reply } => {
                let counted = session.backlog(self.options.shards(), deadline);
                self.finish(session, counted, reply)
            }
            Command::PruneDead {
                keep,
                deadline,
                reply,
            } => {
                let pruned = session.prune_dead_messages(keep, deadline);
                self.finish(session, pruned, reply)
            }
        }
    }

    /// Sends the result of a call. Returns the reason why the session must be replaced, if it must.
    fn finish<T>(
        &self,
        session: &PublisherSession,
        result: Result<T, CallFailed>,
        reply: Reply<T>,
    ) -> Option<String> {
        match result {
            Ok(value) => {
                reply.send(Ok(value));
                None
            }
            Err(CallFailed { reason, is_broken }) => {
                self.show(session, is_broken);
                reply.send(Err(QueueError::Unavailable(reason.clone())));
                is_broken.then_some(reason)
            }
        }
    }
}

impl Command {
    fn deadline(&self) -> Instant {
        match self {
            Self::Publish { deadline, .. }
            | Self::Backlog { deadline, .. }
            | Self::PruneDead { deadline, .. } => *deadline,
        }
    }

    fn fail(self, reason: &str) {
        let failure = QueueError::Unavailable(reason.to_owned());
        match self {
            Self::Publish { reply, .. } => reply.send(Err(failure)),
            Self::Backlog { reply, .. } => reply.send(Err(failure)),
            Self::PruneDead { reply, .. } => reply.send(Err(failure)),
        }
    }
}

/// Converts a duration to milliseconds for a log field.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
