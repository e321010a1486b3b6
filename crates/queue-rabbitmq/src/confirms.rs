//! Tracks the publisher confirms of the messages of one call.

use amiquip::{Confirm, ConfirmPayload};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No confirm received yet.
    Open,
    /// The broker acknowledged the message.
    Confirmed,
    /// The broker rejected the message, or no queue was bound for it.
    Refused,
}

/// The confirms of the messages of one call. Their delivery tags are consecutive.
#[derive(Debug)]
pub(crate) struct Confirms {
    first_tag: u64,
    verdicts: Vec<Verdict>,
    /// Every message before this index is confirmed or refused.
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

    /// Records that the next message was sent.
    pub(crate) fn on_sent(&mut self) {
        self.verdicts.push(Verdict::Open);
        self.open += 1;
    }

    /// Returns whether a message has neither been confirmed nor refused.
    pub(crate) fn any_open(&self) -> bool {
        self.open > 0
    }

    /// Returns whether at least one message was confirmed or refused.
    pub(crate) fn any_decided(&self) -> bool {
        self.open < self.verdicts.len()
    }

    /// Records that the broker returned the message as unroutable. The broker acknowledges it afterwards.
    pub(crate) fn on_return(&mut self, tag: u64) {
        if let Some(index) = self.index(tag) {
            self.decide(index, Verdict::Refused);
        }
    }

    /// Records a confirm of one message, or of all messages up to its tag. Tags of earlier calls are ignored.
    pub(crate) fn on_confirm(&mut self, confirm: Confirm) {
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

    /// Returns for each of `count` messages whether it was confirmed. Messages that were not sent are unconfirmed.
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

    fn payload(delivery_tag: u64, multiple: bool) -> ConfirmPayload {
        ConfirmPayload {
            delivery_tag,
            multiple,
        }
    }

    fn ack(delivery_tag: u64, multiple: bool) -> Confirm {
        Confirm::Ack(payload(delivery_tag, multiple))
    }

    fn five_from(first_tag: u64) -> Confirms {
        let mut confirms = Confirms::new(first_tag);
        (0..5).for_each(|_| confirms.on_sent());
        confirms
    }

    #[test]
    fn single_and_multiple_confirms_are_accepted_in_any_order() {
        let mut confirms = five_from(11);
        confirms.on_confirm(ack(13, false));
        confirms.on_confirm(Confirm::Nack(payload(12, true)));
        assert!(confirms.any_open());
        confirms.on_confirm(ack(15, true));
        assert!(!confirms.any_open());
        assert_eq!(
            confirms.into_confirmed(6),
            [false, false, true, true, true, false]
        );
    }

    #[test]
    fn confirms_of_earlier_calls_are_ignored() {
        let mut confirms = five_from(11);
        confirms.on_confirm(ack(10, true));
        confirms.on_confirm(ack(3, false));
        confirms.on_return(10);
        assert!(!confirms.any_decided());
    }

    #[test]
    fn a_returned_message_stays_unconfirmed_when_it_is_acknowledged() {
        let mut confirms = five_from(1);
        confirms.on_return(2);
        confirms.on_confirm(ack(5, true));
        assert!(!confirms.any_open());
        assert_eq!(confirms.into_confirmed(5), [true, false, true, true, true]);
    }

    #[test]
    fn a_confirm_beyond_the_last_sent_tag_is_accepted() {
        let mut confirms = five_from(1);
        confirms.on_confirm(ack(u64::MAX, true));
        confirms.on_confirm(ack(u64::MAX, false));
        assert_eq!(confirms.into_confirmed(5), [true; 5]);
    }
}
