//! Counts the calls to all ports of a run, and makes one of them fail, or that one and all after it.

use std::future::pending;
use std::sync::{Mutex, MutexGuard};

use domain::ports::{FeedError, QueueError, StoreError};
use tokio::sync::Notify;

/// What a call is part of, which decides how it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A call inside a transaction, or the one that begins it.
    Work,
    Commit,
    /// Reads of the store outside a transaction.
    Probe,
    /// Publishing: the queue takes something.
    Handover,
    /// Other calls to the queue.
    Queue,
    Feed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Unavailable,
    Conflict,
    Failed,
    Corrupt,
    /// It was done, and the caller is told that the other side cannot be reached.
    AnswerLost,
    QueueUnavailable,
    QueueClosed,
    /// Half of what was published is not confirmed.
    Unconfirmed,
    FeedUnavailable,
    FeedMalformed,
    /// The call never ends, and the use case is dropped in the middle of it.
    Abandoned,
}

impl Failure {
    pub(crate) const ALL: [Self; 11] = [
        Self::Unavailable,
        Self::Conflict,
        Self::Failed,
        Self::Corrupt,
        Self::AnswerLost,
        Self::QueueUnavailable,
        Self::QueueClosed,
        Self::Unconfirmed,
        Self::FeedUnavailable,
        Self::FeedMalformed,
        Self::Abandoned,
    ];

    pub(crate) fn applies_to(self, call: Call) -> bool {
        match self {
            Self::Unavailable | Self::Conflict | Self::Failed | Self::Corrupt => {
                matches!(call.role, Role::Work | Role::Commit | Role::Probe)
            }
            Self::AnswerLost => matches!(call.role, Role::Commit | Role::Handover),
            Self::QueueUnavailable | Self::QueueClosed => {
                matches!(call.role, Role::Handover | Role::Queue)
            }
            Self::Unconfirmed => call.name == "publish",
            Self::FeedUnavailable | Self::FeedMalformed => call.role == Role::Feed,
            Self::Abandoned => true,
        }
    }

    /// Whether it makes sense for all calls from one on: an outage, rather than an accident.
    pub(crate) fn can_last(self) -> bool {
        !matches!(self, Self::AnswerLost | Self::Unconfirmed | Self::Abandoned)
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
            Self::FeedMalformed => FeedError::Malformed("injected".to_owned()),
            _ => FeedError::Unavailable("injected".to_owned()),
        }
    }
}

/// Which call fails, counted from 1, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Injection {
    pub(crate) at: usize,
    pub(crate) failure: Failure,
    /// Whether all later calls that can fail so do so too.
    pub(crate) lasts: bool,
}

/// What a run saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) calls: Vec<Call>,
    /// How many of them were made to fail.
    pub(crate) struck: usize,
}

#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Option<(Option<Injection>, Trace)>>,
    hung: Notify,
}

impl Faults {
    /// Counts from now on, and injects.
    pub(crate) fn arm(&self, injection: Option<Injection>) {
        *self.lock() = Some((injection, Trace::default()));
    }

    /// Neither counts nor injects from now on.
    pub(crate) fn disarm(&self) -> Trace {
        self.lock()
            .take()
            .map_or_else(Trace::default, |(_, trace)| trace)
    }

    /// Counts a call, and says how it has to fail. One that has to hang does so here.
    pub(crate) async fn strike(&self, role: Role, name: &'static str) -> Option<Failure> {
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
        let strikes = due && injection.failure.applies_to(call);
        trace.struck += usize::from(strikes);
        strikes.then_some(injection.failure)
    }

    /// Ends when a call hangs.
    pub(crate) async fn hung(&self) {
        self.hung.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Option<Injection>, Trace)>> {
        self.armed.lock().unwrap()
    }
}
