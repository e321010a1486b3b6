//! The answer to a command, given exactly once: a thread that ends with commands unanswered says "closed".

use domain::ports::QueueError;
use tokio::sync::oneshot;

type Answer<T> = Box<dyn FnOnce(Result<T, QueueError>) + Send>;

/// Where the answer to one command goes.
pub(crate) struct Reply<T>(Option<Answer<T>>);

impl<T> Reply<T> {
    /// An answer to be received by a function on the thread that gives it.
    pub(crate) fn to(receive: impl FnOnce(Result<T, QueueError>) + Send + 'static) -> Self {
        Self(Some(Box::new(receive)))
    }

    pub(crate) fn give(mut self, result: Result<T, QueueError>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl<T: Send + 'static> Reply<T> {
    /// An answer to await.
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<T, QueueError>>) {
        let (sender, receiver) = oneshot::channel();
        let reply = Self::to(move |result| {
            // Whoever asked may have given up.
            let _ = sender.send(result);
        });
        (reply, receiver)
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(QueueError::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_command_is_answered_too() {
        let (reply, mut answer) = Reply::<()>::channel();
        drop(reply);
        assert_eq!(answer.try_recv().unwrap(), Err(QueueError::Closed));
        let (reply, mut answer) = Reply::channel();
        reply.give(Ok(7));
        assert_eq!(answer.try_recv().unwrap(), Ok(7));
    }
}
