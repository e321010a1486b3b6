//! Counts the calls of a run to all ports, and makes one of them fail, or one and all after it.

use std::future::pending;
use std::sync::{Mutex, MutexGuard};

use domain::ports::{FeedError, QueueError, StoreError};
use strum::VariantArray;
use tokio::sync::Notify;

/// The kind of a call, which decides how it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A call inside a transaction, or its `begin`.
    Work,
    Commit,
    /// Reads of the store outside a transaction.
    Probe,
    /// Publishing to the queue.
    Publish,
    /// Other calls to the queue.
    Queue,
    Feed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(crate) enum Failure {
    Unavailable,
    Conflict,
    Failed,
    Corrupt,
    /// The call was done, and the caller gets an error as if the other side could not be reached.
    ReplyLost,
    QueueUnavailable,
    QueueClosed,
    /// Half of the published orders are not confirmed.
    Unconfirmed,
    FeedUnavailable,
    FeedMalformed,
    /// The call never returns, and the use case is dropped during it.
    Abandoned,
}

impl Failure {
    pub(crate) fn applies_to(self, call: Call) -> bool {
        match self {
            Self::Unavailable | Self::Conflict | Self::Failed | Self::Corrupt => {
                matches!(call.role, Role::Work | Role::Commit | Role::Probe)
            }
            Self::ReplyLost => matches!(call.role, Role::Commit | Role::Publish),
            Self::QueueUnavailable | Self::QueueClosed => {
                matches!(call.role, Role::Publish | Role::Queue)
            }
            Self::Unconfirmed => call.name == "publish",
            Self::FeedUnavailable | Self::FeedMalformed => call.role == Role::Feed,
            Self::Abandoned => true,
        }
    }

    /// Returns whether all calls from one on can fail in this way: an outage.
    pub(crate) fn can_last(self) -> bool {
        !matches!(self, Self::ReplyLost | Self::Unconfirmed | Self::Abandoned)
    }

    pub(crate) fn of_store(self) -> StoreError {
        match self {
            Self::Conflict => StoreError::Conflict("injected".to_owned()),
            Self::Failed => StoreError::Failed("injected".into()),
            Self::Corrupt => StoreError::Corrupt {
                table: "injected",
                column: "injected",
                row: "injected".to_owned(),
            },
            _ => StoreError::Unavailable("injected".to_owned()),
        }
    }

    pub(crate) fn of_queue(self) -> QueueError {
        match self {
            Self::QueueClosed => QueueError::Closed,
            _ => QueueError::Unavailable("injected".to_owned()),
        }
    }

    pub(crate) fn of_feed(self) -> FeedError {
        match self {
            Self::FeedMalformed => FeedError::Malformed("injected".to_owned().into()),
            _ => FeedError::Unavailable("injected".to_owned()),
        }
    }
}

/// The call that fails, counted from 1, and its failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Injection {
    pub(crate) at: usize,
    pub(crate) failure: Failure,
    /// Whether all later calls to which the failure applies fail too.
    pub(crate) lasts: bool,
}

/// The calls of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) calls: Vec<Call>,
    /// Number of calls that were made to fail.
    pub(crate) failures: usize,
}

#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Option<(Option<Injection>, Trace)>>,
    hung: Notify,
}

impl Faults {
    /// Starts counting calls, and injects the failure.
    pub(crate) fn arm(&self, injection: Option<Injection>) {
        *self.lock() = Some((injection, Trace::default()));
    }

    /// Stops counting and injecting, and returns the trace.
    pub(crate) fn disarm(&self) -> Trace {
        self.lock()
            .take()
            .map_or_else(Trace::default, |(_, trace)| trace)
    }

    /// Counts a call, and returns its failure. A call that must hang does so here.
    pub(crate) async fn next_failure(&self, role: Role, name: &'static str) -> Option<Failure> {
        let failure = self.count(Call { role, name })?;
        if failure == Failure::Abandoned {
            self.hung.notify_one();
            pending::<()>().await;
        }
        Some(failure)
    }

    fn count(&self, call: Call) -> Option<Failure> {
        let mut armed = self.lock();
        let (injection, trace) = armed.as_mut()?;
        trace.calls.push(call);
        let injection = (*injection)?;
        let now = trace.calls.len();
        let due = now == injection.at || (injection.lasts && now > injection.at);
        let fails = due && injection.failure.applies_to(call);
        trace.failures += usize::from(fails);
        fails.then_some(injection.failure)
    }

    /// Returns when a call hangs.
    pub(crate) async fn hung(&self) {
        self.hung.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Option<Injection>, Trace)>> {
        self.armed.lock().unwrap()
    }
}
