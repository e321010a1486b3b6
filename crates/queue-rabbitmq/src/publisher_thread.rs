//! The sessions of the publisher thread: executes one call at a time.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use domain::ports::QueueError;
use tokio::sync::watch;

use crate::broker_connection::BrokerError;
use crate::log_text::one_line;
use crate::options::RabbitOptions;
use crate::publisher::{Call, Command, State};
use crate::publisher_session::{CallFailed, Event, PublisherSession};
use crate::reply::Reply;
use crate::session_loop::{End, Sessions};
use crate::watchdog::Watchdog;

/// Publishes the state of the connection to the async side.
pub(crate) struct PublisherThread {
    pub(crate) state: watch::Sender<State>,
}

impl Sessions for PublisherThread {
    const NAME: &'static str = "publisher";
    type Session = PublisherSession;
    type Command = Call;

    fn open(
        options: &RabbitOptions,
        watchdog: &Arc<Watchdog>,
    ) -> Result<PublisherSession, BrokerError> {
        PublisherSession::open(options, watchdog)
    }

    fn on_open_failed(&self, reason: &str) {
        self.state.send_replace(State::Down(reason.to_owned()));
    }

    fn run(&self, _id: u64, mut session: PublisherSession, calls: &Receiver<Call>) -> End {
        self.state.send_replace(State::Up);
        let end = self.serve(&mut session, calls);
        self.state.send_replace(State::Connecting);
        match (end, session.close()) {
            // The error of the connection is closest to the cause.
            (End::Lost(_), Some(cause)) => End::Lost(one_line(cause)),
            (end, _) => end,
        }
    }

    fn reject(call: Call, reason: &str) {
        let failure = QueueError::Unavailable(reason.to_owned());
        let _ = match call.command {
            Command::Publish(_, reply) => reply.send(Err(failure)).is_ok(),
            Command::Backlog(reply) => reply.send(Err(failure)).is_ok(),
            Command::PruneDead(_, reply) => reply.send(Err(failure)).is_ok(),
        };
    }
}

impl PublisherThread {
    fn serve(&self, session: &mut PublisherSession, calls: &Receiver<Call>) -> End {
        loop {
            let broken = match session.wait(calls) {
                Event::Command(call) => self.execute(session, call),
                Event::Blocked => None,
                Event::Ended => Some(String::new()),
                Event::HandleDropped => return End::HandleDropped,
            };
            if let Some(reason) = broken {
                return End::Lost(reason);
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

    /// Executes a call. Returns the reason why the session must be replaced, if it must.
    fn execute(&self, session: &mut PublisherSession, call: Call) -> Option<String> {
        let deadline = call.deadline;
        if Instant::now() >= deadline {
            // The caller has timed out and will retry: publishing now would only make duplicates.
            Self::reject(call, "too many pending calls");
            return None;
        }
        match call.command {
            Command::Publish(messages, reply) => {
                let (published, broken) = session.publish(&messages, deadline);
                self.show(session, broken.is_some());
                let _ = reply.send(Ok(published));
                broken
            }
            Command::Backlog(reply) => {
                let counted = session.backlog(deadline);
                self.finish(session, counted, reply)
            }
            Command::PruneDead(keep, reply) => {
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
                let _ = reply.send(Ok(value));
                None
            }
            Err(CallFailed { reason, is_broken }) => {
                self.show(session, is_broken);
                let _ = reply.send(Err(QueueError::Unavailable(reason.clone())));
                is_broken.then_some(reason)
            }
        }
    }
}
