//! Keeps track of what the broker said about the messages of one call.

use amiquip::{Confirm, ConfirmPayload};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing heard yet.
    Open,
    /// The queue has it.
    Confirmed,
    /// The broker refused it, or no queue took it.
    Refused,
}

/// The messages of one call, which bear consecutive tags.
#[derive(Debug)]
pub(crate) struct Confirms {
    first_tag: u64,
    verdicts: Vec<Verdict>,
    /// Everything before this index is decided.
    decided: usize,
    open: usize,
}

impl Confirms {
    pub(crate) fn new(first_tag: u64) -> Self {
        Self {
            first_tag,
            verdicts: Vec::new(),
            decided: 0,
            open: 0,
        }
    }

    /// The next message was sent.
    pub(crate) fn sent(&mut self) {
        self.verdicts.push(Verdict::Open);
        self.open += 1;
    }

    /// Whether any message is undecided.
    pub(crate) fn any_open(&self) -> bool {
        self.open > 0
    }

    /// Whether anything was heard at all.
    pub(crate) fn any_decided(&self) -> bool {
        self.open < self.verdicts.len()
    }

    /// No queue took the message. The broker acknowledges it all the same, after this.
    pub(crate) fn returned(&mut self, tag: u64) {
        if let Some(index) = self.index(tag) {
            self.decide(index, Verdict::Refused);
        }
    }

    /// The broker's word on one message, or on all up to it. What belongs to an earlier call is ignored.
    pub(crate) fn heard(&mut self, confirm: Confirm) {
        let (payload, verdict) = match confirm {
            Confirm::Ack(payload) => (payload, Verdict::Confirmed),
            Confirm::Nack(payload) => (payload, Verdict::Refused),
        };
        let ConfirmPayload {
            delivery_tag,
            multiple,
        } = payload;
        if !multiple {
            if let Some(index) = self.index(delivery_tag) {
                self.decide(index, verdict);
            }
            return;
        }
        let past = delivery_tag
            .saturating_add(1)
            .saturating_sub(self.first_tag);
        let end =
            usize::try_from(past).map_or(self.verdicts.len(), |it| it.min(self.verdicts.len()));
        for index in self.decided..end {
            self.decide(index, verdict);
        }
        self.decided = self.decided.max(end);
    }

    /// Whether each of `count` messages was confirmed; those that were not even sent were not.
    pub(crate) fn into_confirmed(self, count: usize) -> Vec<bool> {
        let mut confirmed: Vec<bool> = self
            .verdicts
            .into_iter()
            .map(|verdict| verdict == Verdict::Confirmed)
            .collect();
        confirmed.resize(count, false);
        confirmed
    }

    fn index(&self, tag: u64) -> Option<usize> {
        let index = usize::try_from(tag.checked_sub(self.first_tag)?).ok()?;
        (index < self.verdicts.len()).then_some(index)
    }

    fn decide(&mut self, index: usize, verdict: Verdict) {
        if self.verdicts[index] == Verdict::Open {
            self.verdicts[index] = verdict;
            self.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(delivery_tag: u64, multiple: bool) -> Confirm {
        Confirm::Ack(ConfirmPayload {
            delivery_tag,
            multiple,
        })
    }

    fn nack(delivery_tag: u64, multiple: bool) -> Confirm {
        Confirm::Nack(ConfirmPayload {
            delivery_tag,
            multiple,
        })
    }

    fn five_from(first_tag: u64) -> Confirms {
        let mut confirms = Confirms::new(first_tag);
        (0..5).for_each(|_| confirms.sent());
        confirms
    }

    #[test]
    fn single_and_multiple_confirms_in_any_order() {
        let mut confirms = five_from(11);
        confirms.heard(ack(13, false));
        confirms.heard(nack(12, true));
        assert!(confirms.any_open());
        confirms.heard(ack(15, true));
        assert!(!confirms.any_open());
        assert_eq!(
            confirms.into_confirmed(6),
            [false, false, true, true, true, false]
        );
    }

    #[test]
    fn confirms_of_earlier_calls_say_nothing_about_this_one() {
        let mut confirms = five_from(11);
        confirms.heard(ack(10, true));
        confirms.heard(ack(3, false));
        confirms.returned(10);
        assert!(!confirms.any_decided());
    }

    #[test]
    fn a_returned_message_stays_unconfirmed_though_it_is_acknowledged() {
        let mut confirms = five_from(1);
        confirms.returned(2);
        confirms.heard(ack(5, true));
        assert!(!confirms.any_open());
        assert_eq!(confirms.into_confirmed(5), [true, false, true, true, true]);
    }

    #[test]
    fn a_confirm_beyond_what_was_sent_is_harmless() {
        let mut confirms = five_from(1);
        confirms.heard(ack(u64::MAX, true));
        confirms.heard(ack(u64::MAX, false));
        assert_eq!(confirms.into_confirmed(5), [true; 5]);
    }
}
