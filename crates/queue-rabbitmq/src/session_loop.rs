//! A thread that connects, runs one session after the other, and reconnects with backoff.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tracing::{error, info, warn};

use crate::backoff::{Backoff, pause};
use crate::broker_connection::BrokerError;
use crate::log_text::one_line;
use crate::options::RabbitOptions;
use crate::reply::MAX_PENDING_CALLS;
use crate::watchdog::Watchdog;

/// Session ids are unique over all threads of the process, so that a receipt passed to the wrong consumer is ignored.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// Reason why a session ended.
pub(crate) enum End {
    /// The connection or a queue failed; contains the reason.
    Lost(String),
    /// The handle of the thread was dropped.
    HandleDropped,
}

/// The sessions of a publisher or a consumer.
pub(crate) trait Sessions: Send + 'static {
    /// Name of the thread in log lines, and a part of its name in the system.
    const NAME: &'static str;
    type Session;
    type Command: Send + 'static;

    fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self::Session, BrokerError>;

    /// Records why no session could be opened.
    fn on_open_failed(&self, reason: &str);

    /// Runs a session until it ends, and closes it.
    fn run(&self, id: u64, session: Self::Session, commands: &Receiver<Self::Command>) -> End;

    /// Replies to a command that arrives while there is no session.
    fn reject(command: Self::Command, reason: &str);
}

/// Starts the thread and returns the sender of its commands. The thread ends when the last sender is dropped. If it cannot be
/// started, `sessions` is dropped, and commands cannot be sent.
pub(crate) fn spawn<S: Sessions>(sessions: S, options: RabbitOptions) -> Sender<S::Command> {
    let (sender, commands) = crossbeam_channel::bounded(MAX_PENDING_CALLS);
    let name = format!("rabbitmq-{}", S::NAME);
    let spawned = Watchdog::start(&name).and_then(|watchdog| {
        let session_loop = SessionLoop {
            sessions,
            options,
            commands,
            watchdog: Arc::new(watchdog),
        };
        thread::Builder::new()
            .name(name)
            .spawn(move || session_loop.run())
    });
    if let Err(error) = spawned {
        error!(%error, "cannot start the threads of a {}", S::NAME);
    }
    sender
}

struct SessionLoop<S: Sessions> {
    sessions: S,
    options: RabbitOptions,
    commands: Receiver<S::Command>,
    watchdog: Arc<Watchdog>,
}

impl<S: Sessions> SessionLoop<S> {
    fn run(self) {
        let mut backoff = Backoff::new();
        while let Some(session) = self.connect(&mut backoff) {
            let since = Instant::now();
            let id = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
            info!(
                rabbitmq.host = self.options.host,
                rabbitmq.port = self.options.port,
                rabbitmq.vhost = self.options.vhost,
                rabbitmq.session = id,
                "{} connected",
                S::NAME
            );
            let End::Lost(reason) = self.sessions.run(id, session, &self.commands) else {
                info!(rabbitmq.session = id, "{} disconnected", S::NAME);
                return;
            };
            let uptime = since.elapsed();
            let length = backoff.after_session(uptime);
            warn!(
                rabbitmq.session = id,
                reason,
                uptime_ms = millis(uptime),
                retry_in_ms = millis(length),
                "{} lost its connection",
                S::NAME
            );
            if !self.pause(length, &reason) {
                return;
            }
        }
    }

    /// Retries until a session is open. Returns `None` if all handles of the thread were dropped.
    fn connect(&self, backoff: &mut Backoff) -> Option<S::Session> {
        loop {
            let reason = match S::open(&self.options, &self.watchdog) {
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
                "{} cannot connect",
                S::NAME
            );
            self.sessions.on_open_failed(&reason);
            if !self.pause(length, &reason) {
                return None;
            }
        }
    }

    fn pause(&self, length: Duration, reason: &str) -> bool {
        pause(&self.commands, length, |command| S::reject(command, reason))
    }
}

/// Converts a duration to milliseconds for a log field.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
