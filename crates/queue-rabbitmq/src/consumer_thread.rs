//! The consumer thread: connects and runs one session after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_channel::Receiver;
use tracing::{error, info, warn};

use crate::backoff::{Backoff, pause};
use crate::consumer::Acknowledge;
use crate::consumer_session::{ConsumerSession, End};
use crate::inbox::Inbox;
use crate::log_text::one_line;
use crate::options::RabbitOptions;
use crate::publisher_thread::millis;
use crate::watchdog::Watchdog;

const NAME: &str = "rabbitmq-consumer";

/// Session ids are unique over all consumers of the process, so that a receipt passed to the wrong consumer is ignored.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// Starts the thread, which ends when the sender of commands is dropped. If the thread cannot be started, the inbox is
/// closed.
pub(crate) fn spawn(options: RabbitOptions, commands: Receiver<Acknowledge>, inbox: Arc<Inbox>) {
    let inbox = CloseOnDrop(inbox);
    let spawned = Watchdog::start(NAME).and_then(|watchdog| {
        let thread = ConsumerThread {
            options,
            commands,
            inbox,
            watchdog: Arc::new(watchdog),
        };
        thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || thread.run())
    });
    if let Err(error) = spawned {
        error!(%error, "cannot start the consumer's threads");
    }
}

/// Closes the inbox when the thread ends for any reason, so that no caller waits forever.
struct CloseOnDrop(Arc<Inbox>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct ConsumerThread {
    options: RabbitOptions,
    commands: Receiver<Acknowledge>,
    inbox: CloseOnDrop,
    watchdog: Arc<Watchdog>,
}

impl ConsumerThread {
    fn run(self) {
        let inbox = &self.inbox.0;
        let mut backoff = Backoff::new();
        while let Some(session) = self.connect(&mut backoff) {
            let since = Instant::now();
            let id = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
            info!(
                rabbitmq.host = self.options.host,
                rabbitmq.port = self.options.port,
                rabbitmq.vhost = self.options.vhost,
                rabbitmq.session = id,
                "consumer connected"
            );
            let shards = self.options.shards();
            let end = session.run(id, shards, &self.commands, inbox);
            let End::Lost(reason) = end else {
                info!(rabbitmq.session = id, "consumer disconnected");
                return;
            };
            inbox.down(&reason);
            let uptime = since.elapsed();
            let length = backoff.after_session(uptime);
            warn!(
                rabbitmq.session = id,
                reason,
                uptime_ms = millis(uptime),
                retry_in_ms = millis(length),
                "consumer lost its connection"
            );
            if !pause(&self.commands, length, discard) {
                return;
            }
        }
    }

    /// Retries until a session is open. Returns `None` if the handle of the consumer was dropped.
    fn connect(&self, backoff: &mut Backoff) -> Option<ConsumerSession> {
        loop {
            let reason = match ConsumerSession::open(&self.options, &self.watchdog) {
                Ok(session) => return Some(session),
                Err(error) => one_line(error),
            };
            self.inbox.0.down(&reason);
            let length = backoff.after_failure();
            warn!(
                rabbitmq.host = self.options.host,
                rabbitmq.port = self.options.port,
                rabbitmq.vhost = self.options.vhost,
                reason,
                retry_in_ms = millis(length),
                "consumer cannot connect"
            );
            if !pause(&self.commands, length, discard) {
                return None;
            }
        }
    }
}

/// Discards an acknowledgement of a session that has ended: the broker redelivers its messages.
fn discard(command: Acknowledge) {
    command.reply.send(Ok(()));
}
