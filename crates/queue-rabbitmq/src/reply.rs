//! The reply to a command, sent exactly once: dropping an unsent reply sends [`QueueError::Closed`].

use domain::ports::QueueError;
use tokio::sync::oneshot;

type Callback<T> = Box<dyn FnOnce(Result<T, QueueError>) + Send>;

/// Sender of the reply to one command.
pub(crate) struct Reply<T>(Option<Callback<T>>);

impl<T> Reply<T> {
    /// A reply that is passed to a function on the sending thread.
    pub(crate) fn to(receive: impl FnOnce(Result<T, QueueError>) + Send + 'static) -> Self {
        Self(Some(Box::new(receive)))
    }

    pub(crate) fn send(mut self, result: Result<T, QueueError>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl<T: Send + 'static> Reply<T> {
    /// A reply that is received from a channel.
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<T, QueueError>>) {
        let (sender, receiver) = oneshot::channel();
        let reply = Self::to(move |result| {
            // The caller may have timed out.
            let _ = sender.send(result);
        });
        (reply, receiver)
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(QueueError::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_reply_sends_closed() {
        let (reply, mut receiver) = Reply::<()>::channel();
        drop(reply);
        assert_eq!(receiver.try_recv().unwrap(), Err(QueueError::Closed));
        let (reply, mut receiver) = Reply::channel();
        reply.send(Ok(7));
        assert_eq!(receiver.try_recv().unwrap(), Ok(7));
    }
}
