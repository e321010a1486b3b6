//! Calls from the async side to a thread.

use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use domain::ports::QueueError;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Capacity of the channel of calls to a thread. When it is full, further calls fail.
pub(crate) const MAX_PENDING_CALLS: usize = 64;

/// Time that a thread may exceed the deadline of a call before the caller gives up.
const REPLY_MARGIN: Duration = Duration::from_secs(2);

/// Sender of the result of one call. The caller, which may have timed out, gets [`QueueError::Closed`] if it is dropped.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// Sends a command to a thread, which should reply within `limit`, and returns the result.
pub(crate) async fn call<C, T>(
    commands: &Sender<C>,
    limit: Duration,
    command: impl FnOnce(Reply<T>) -> C,
) -> Result<T, QueueError> {
    let (reply, response) = oneshot::channel();
    match commands.try_send(command(reply)) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(unavailable("too many pending calls")),
        Err(TrySendError::Disconnected(_)) => return Err(QueueError::Closed),
    }
    match timeout(limit + REPLY_MARGIN, response).await {
        Ok(result) => result.unwrap_or(Err(QueueError::Closed)),
        Err(_) => Err(unavailable("the broker does not respond")),
    }
}

fn unavailable(reason: &str) -> QueueError {
    QueueError::Unavailable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dropping_a_reply_closes_the_call() {
        let (sender, receiver) = crossbeam_channel::bounded::<Reply<u8>>(1);
        std::thread::spawn(move || {
            drop(receiver.recv().unwrap());
            receiver.recv().unwrap().send(Ok(7)).unwrap();
        });
        let limit = Duration::from_mins(1);
        let dropped = call(&sender, limit, |reply| reply).await;
        assert_eq!(dropped, Err(QueueError::Closed));
        assert_eq!(call(&sender, limit, |reply| reply).await, Ok(7));
    }
}
