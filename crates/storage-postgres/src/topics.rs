//! The commands that notify listeners.

use domain::ports::Topic;

/// Settings of the transaction of a command.
macro_rules! quiet {
    () => {
        "SET LOCAL synchronous_commit = off; SET LOCAL client_min_messages = error; "
    };
}

/// Topics to notify.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Topics {
    outbox: bool,
    changes: bool,
}

impl Topics {
    pub(crate) fn add(&mut self, topic: Topic) {
        match topic {
            Topic::Outbox => self.outbox = true,
            Topic::Changes => self.changes = true,
        }
    }

    /// Returns one command that notifies all topics in a transaction of its own; `None` without topics. A notification may be
    /// lost, so the commit does not wait for the disk. The warning of a queue that is half full must not be taken for one of the
    /// commit before it.
    pub(crate) fn command(self) -> Option<&'static str> {
        match (self.outbox, self.changes) {
            (true, false) => Some(concat!(quiet!(), "NOTIFY outbox")),
            (false, true) => Some(concat!(quiet!(), "NOTIFY changes")),
            (true, true) => Some(concat!(quiet!(), "NOTIFY outbox; NOTIFY changes")),
            (false, false) => None,
        }
    }
}
