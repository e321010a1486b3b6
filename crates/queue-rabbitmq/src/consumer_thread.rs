//! The sessions of the consumer thread.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::broker_connection::BrokerError;
use crate::consumer::Acknowledge;
use crate::consumer_session::ConsumerSession;
use crate::inbox::Inbox;
use crate::options::RabbitOptions;
use crate::session_loop::{End, Sessions};
use crate::watchdog::Watchdog;

/// Passes messages to the inbox, and closes it when the thread ends for any reason, so that no caller waits forever.
pub(crate) struct ConsumerThread {
    pub(crate) inbox: Arc<Inbox>,
}

impl Drop for ConsumerThread {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl Sessions for ConsumerThread {
    const NAME: &'static str = "consumer";
    type Session = ConsumerSession;
    type Command = Acknowledge;

    fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<ConsumerSession, BrokerError> {
        ConsumerSession::open(options, watchdog)
    }

    fn on_open_failed(&self, reason: &str) {
        self.inbox.down(reason);
    }

    fn run(&self, id: u64, session: ConsumerSession, commands: &Receiver<Acknowledge>) -> End {
        let end = session.run(id, commands, &self.inbox);
        if let End::Lost(reason) = &end {
            self.inbox.down(reason);
        }
        end
    }

    /// The acknowledgement is for a session that has ended: the broker redelivers its messages.
    fn reject(command: Acknowledge, _reason: &str) {
        let _ = command.reply.send(Ok(()));
    }
}
