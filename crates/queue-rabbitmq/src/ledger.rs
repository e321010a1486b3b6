//! Which deliveries of a session are not settled yet, and how to acknowledge some of them with few frames.
//!
//! One acknowledgement can cover all deliveries up to a tag, which is faster than one for each. It covers those as well
//! that the broker has sent and this side has not looked at yet: the deliveries of the several queues on a channel
//! share one sequence of tags but arrive here over several receivers, so tag 7 may be seen before tag 5. Acknowledging up
//! to 7 would then lose 5. Hence tags are counted: only below the point up to which every tag was seen is "up to" used.

use std::collections::{BTreeMap, BTreeSet};

/// The unsettled deliveries of one channel, each with what is needed to acknowledge it.
#[derive(Debug)]
pub(crate) struct Ledger<D> {
    outstanding: BTreeMap<u64, D>,
    /// Every tag up to this one was seen. The first delivery of a channel bears tag 1.
    seen_up_to: u64,
    /// Tags seen beyond a gap.
    ahead: BTreeSet<u64>,
}

/// How to acknowledge a set of deliveries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settlement<D> {
    /// Acknowledge everything up to this one.
    pub(crate) up_to: Option<D>,
    /// Acknowledge each of these alone.
    pub(crate) single: Vec<D>,
}

impl<D> Ledger<D> {
    pub(crate) fn new() -> Self {
        Self {
            outstanding: BTreeMap::new(),
            seen_up_to: 0,
            ahead: BTreeSet::new(),
        }
    }

    /// A delivery has come.
    pub(crate) fn record(&mut self, tag: u64, delivery: D) {
        self.outstanding.insert(tag, delivery);
        self.skip(tag);
    }

    fn advance(&mut self) {
        while self.ahead.remove(&(self.seen_up_to + 1)) {
            self.seen_up_to += 1;
        }
    }

    /// A delivery has come and is settled already.
    pub(crate) fn skip(&mut self, tag: u64) {
        self.ahead.insert(tag);
        self.advance();
    }

    /// Takes deliveries out, to be acknowledged. Tags that are not outstanding are ignored.
    pub(crate) fn settle(&mut self, tags: impl IntoIterator<Item = u64>) -> Settlement<D> {
        let wanted: BTreeSet<u64> = tags
            .into_iter()
            .filter(|tag| self.outstanding.contains_key(tag))
            .collect();
        let oldest = self
            .outstanding
            .keys()
            .zip(&wanted)
            .take_while(|(oldest, wanted)| oldest == wanted && **wanted <= self.seen_up_to)
            .count();
        let mut up_to = None;
        let mut single = Vec::new();
        for (index, tag) in wanted.iter().enumerate() {
            let delivery = self.outstanding.remove(tag);
            if index < oldest {
                up_to = delivery;
            } else {
                single.extend(delivery);
            }
        }
        Settlement { up_to, single }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(tags: &[u64]) -> Ledger<u64> {
        let mut ledger = Ledger::new();
        for tag in tags {
            ledger.record(*tag, *tag);
        }
        ledger
    }

    #[test]
    fn the_oldest_go_together_and_the_rest_alone() {
        let mut ledger = with(&[1, 2, 3, 4, 5]);
        let settlement = ledger.settle([5, 2, 1, 1, 99]);
        assert_eq!((settlement.up_to, settlement.single), (Some(2), vec![5]));
        let settlement = ledger.settle([3, 4, 5]);
        assert_eq!((settlement.up_to, settlement.single), (Some(4), vec![]));
    }

    #[test]
    fn a_gap_in_what_was_seen_is_never_jumped() {
        let mut ledger = with(&[1, 2, 7]);
        let settlement = ledger.settle([1, 2, 7]);
        assert_eq!((settlement.up_to, settlement.single), (Some(2), vec![7]));
        ledger.record(4, 4);
        let settlement = ledger.settle([4]);
        assert_eq!((settlement.up_to, settlement.single), (None, vec![4]));
    }

    proptest! {
        /// The broker's side as a model: whatever the order of arrival and settlement, it settles exactly what was asked.
        #[test]
        fn exactly_what_was_asked_for_is_settled(
            arrivals in Just((1..=40_u64).collect::<Vec<_>>()).prop_shuffle(),
            asked in prop::collection::vec(prop::collection::vec(1..=45_u64, 0..12), 40),
        ) {
            // All of them are delivered from the broker's point of view before the first is looked at here.
            let mut at_broker: BTreeSet<u64> = (1..=40).collect();
            let mut expected = at_broker.clone();
            let mut seen = BTreeSet::new();
            let mut ledger = Ledger::new();
            for (tag, asked) in arrivals.into_iter().zip(asked) {
                ledger.record(tag, tag);
                seen.insert(tag);
                let settlement = ledger.settle(asked.clone());
                if let Some(up_to) = settlement.up_to {
                    at_broker.retain(|tag| *tag > up_to);
                }
                for tag in settlement.single {
                    prop_assert!(at_broker.remove(&tag), "settled twice: {}", tag);
                }
                for tag in asked {
                    if seen.contains(&tag) {
                        expected.remove(&tag);
                    }
                }
                prop_assert_eq!(&at_broker, &expected);
            }
        }
    }
}
