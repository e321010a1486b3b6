//! The messages between the consumer thread and the callers of [`Inbox::next`].
//!
//! The inbox has no limit of its own: it holds only unacknowledged messages, which the prefetch bounds. Messages are
//! taken in one step under the lock, so a future that is dropped while it waits has not taken any.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::ports::{ConsumerProbe, QueueError, QueuedMessage, Share};
use tokio::sync::Notify;

/// The messages that one consumer has received and not handed out yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug)]
struct Session {
    id: u64,
    /// Random name of the session, unique among the consumers of all processes.
    member: String,
}

#[derive(Debug, Default)]
struct State {
    /// The current session; `None` while disconnected.
    session: Option<Session>,
    /// The share of the queues, if it was assigned in this session.
    share: Option<Share>,
    /// Why there is no session, if the reason is known.
    down_because: Option<String>,
    messages: VecDeque<QueuedMessage>,
    closed: bool,
}

impl Inbox {
    /// Begins a session. Messages left from an earlier session are discarded: the broker redelivers them.
    pub(crate) fn begin(&self, id: u64) {
        let mut state = self.lock();
        state.messages.clear();
        state.share = None;
        state.session = Some(Session {
            id,
            member: format!("{:016x}{:016x}", random(), random()),
        });
        state.down_because = None;
    }

    /// Records why connecting failed or the session was lost.
    pub(crate) fn down(&self, reason: &str) {
        self.lock().down_because = Some(reason.to_owned());
    }

    /// Ends the session and discards its messages.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.messages.clear();
        state.session = None;
    }

    /// Closes the inbox: no further message will arrive.
    pub(crate) fn close(&self) {
        self.end();
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(crate) fn push(&self, messages: Vec<QueuedMessage>) {
        if messages.is_empty() {
            return;
        }
        self.lock().messages.extend(messages);
        self.arrived.notify_one();
    }

    /// Returns the id of the current session.
    pub(crate) fn session(&self) -> Option<u64> {
        self.lock().session.as_ref().map(|session| session.id)
    }

    /// Returns the share of the queues, if it was assigned in this session.
    pub(crate) fn share(&self) -> Option<Share> {
        self.lock().share
    }

    /// Waits for messages and returns at most `limit` orders, but at least one message.
    pub(crate) async fn next(&self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        loop {
            // A message that arrives between `take` and `notified` leaves a permit.
            let batch = self.take(limit)?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        let mut state = self.lock();
        if state.closed {
            return Err(QueueError::Closed);
        }
        let mut batch = Vec::new();
        let mut orders = 0;
        while let Some(message) = state.messages.front() {
            orders += message.order_ids.len();
            if orders > limit && !batch.is_empty() {
                break;
            }
            batch.extend(state.messages.pop_front());
        }
        Ok(batch)
    }

    /// No update of the state can be left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random number from the only source of randomness in the standard library.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl ConsumerProbe for Inbox {
    fn probe(&self) -> Result<(), QueueError> {
        let state = self.lock();
        if state.closed {
            return Err(QueueError::Closed);
        }
        if state.session.is_some() {
            return Ok(());
        }
        let reason = state.down_because.as_deref();
        Err(QueueError::Unavailable(
            reason.unwrap_or("not connected").to_owned(),
        ))
    }

    fn member(&self) -> Option<String> {
        let state = self.lock();
        state.session.as_ref().map(|session| session.member.clone())
    }

    fn assign(&self, member: &str, share: Share) {
        let mut state = self.lock();
        if state.session.as_ref().is_some_and(|it| it.member == member) {
            state.share = Some(share);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::identifiers::OrderId;
    use domain::ports::Receipt;

    use super::*;

    fn message(tag: u64, orders: usize) -> QueuedMessage {
        QueuedMessage {
            receipt: Receipt { session: 1, tag },
            order_ids: vec![OrderId(1); orders],
            traces: Vec::new(),
        }
    }

    fn tags(batch: &[QueuedMessage]) -> Vec<u64> {
        batch.iter().map(|message| message.receipt.tag).collect()
    }

    #[tokio::test]
    async fn a_batch_holds_at_most_the_limit_unless_one_message_alone_holds_more() {
        let inbox = Inbox::default();
        inbox.begin(1);
        inbox.push(vec![
            message(1, 2),
            message(2, 2),
            message(3, 9),
            message(4, 1),
        ]);
        assert_eq!(tags(&inbox.next(5).await.unwrap()), [1, 2]);
        assert_eq!(tags(&inbox.next(5).await.unwrap()), [3]);
        assert_eq!(tags(&inbox.next(0).await.unwrap()), [4]);
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_a_message_and_by_closing() {
        let inbox = Arc::new(Inbox::default());
        inbox.begin(1);
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { (inbox.next(5).await, inbox.next(5).await) }
        });
        tokio::task::yield_now().await;
        inbox.push(vec![message(1, 1)]);
        tokio::task::yield_now().await;
        inbox.close();
        let (first, second) = waiting.await.unwrap();
        assert_eq!(tags(&first.unwrap()), [1]);
        assert_eq!(second, Err(QueueError::Closed));
    }

    #[tokio::test]
    async fn a_new_session_discards_the_messages_of_the_old_one() {
        let inbox = Inbox::default();
        inbox.begin(1);
        inbox.push(vec![message(1, 1)]);
        inbox.end();
        assert_eq!(inbox.session(), None);
        inbox.begin(2);
        inbox.push(vec![message(7, 1)]);
        assert_eq!(tags(&inbox.next(5).await.unwrap()), [7]);
    }

    #[test]
    fn probe_reports_whether_a_session_exists_and_the_reason_if_not() {
        let unavailable = |reason: &str| Err(QueueError::Unavailable(reason.to_owned()));
        let inbox = Inbox::default();
        assert_eq!(inbox.probe(), unavailable("not connected"));
        inbox.down("refused");
        assert_eq!(inbox.probe(), unavailable("refused"));
        inbox.begin(1);
        assert_eq!(inbox.probe(), Ok(()));
        inbox.end();
        inbox.down("lost");
        assert_eq!(inbox.probe(), unavailable("lost"));
        inbox.close();
        assert_eq!(inbox.probe(), Err(QueueError::Closed));
    }
}
