//! Tracks the unacknowledged deliveries of one channel and acknowledges them with few frames.
//!
//! An acknowledgement with `multiple` covers all deliveries up to a tag, which is cheaper than one frame per delivery.
//! It also covers deliveries that the broker has sent but this client has not read yet: the queues of a channel share
//! one sequence of tags but deliver through separate receivers, so tag 7 may be read before tag 5. Acknowledging up to
//! 7 would then lose 5. `multiple` is therefore used only up to the highest tag below which there is no gap.

use std::collections::{BTreeMap, BTreeSet};

/// The unacknowledged deliveries of one channel, by tag.
#[derive(Debug)]
pub(crate) struct DeliveryTracker<D> {
    outstanding: BTreeMap<u64, D>,
    /// Highest tag below which every tag was read. The first delivery of a channel has tag 1.
    seen_up_to: u64,
    /// Tags read beyond a gap.
    ahead: BTreeSet<u64>,
}

/// The acknowledgements to send for a set of deliveries.
#[derive(Debug)]
pub(crate) struct Acknowledgement<D> {
    /// Acknowledge with `multiple` up to this delivery.
    pub(crate) up_to: Option<D>,
    /// Acknowledge each of these deliveries individually.
    pub(crate) single: Vec<D>,
}

impl<D> DeliveryTracker<D> {
    pub(crate) fn new() -> Self {
        Self {
            outstanding: BTreeMap::new(),
            seen_up_to: 0,
            ahead: BTreeSet::new(),
        }
    }

    /// Records a delivery that is to be acknowledged later.
    pub(crate) fn record(&mut self, tag: u64, delivery: D) {
        self.outstanding.insert(tag, delivery);
        self.skip(tag);
    }

    /// Records a delivery that was already rejected.
    pub(crate) fn skip(&mut self, tag: u64) {
        self.ahead.insert(tag);
        while self.ahead.remove(&(self.seen_up_to + 1)) {
            self.seen_up_to += 1;
        }
    }

    /// Removes deliveries from the tracker and returns how to acknowledge them. Unknown tags are ignored.
    pub(crate) fn acknowledge(
        &mut self,
        tags: impl IntoIterator<Item = u64>,
    ) -> Acknowledgement<D> {
        let requested: BTreeSet<u64> = tags
            .into_iter()
            .filter(|tag| self.outstanding.contains_key(tag))
            .collect();
        let oldest = self
            .outstanding
            .keys()
            .zip(&requested)
            .take_while(|(oldest, requested)| oldest == requested && **requested <= self.seen_up_to)
            .count();
        let mut up_to = None;
        let mut single = Vec::new();
        for (index, tag) in requested.iter().enumerate() {
            let delivery = self.outstanding.remove(tag);
            if index < oldest {
                up_to = delivery;
            } else {
                single.extend(delivery);
            }
        }
        Acknowledgement { up_to, single }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(tags: &[u64]) -> DeliveryTracker<u64> {
        let mut tracker = DeliveryTracker::new();
        for tag in tags {
            tracker.record(*tag, *tag);
        }
        tracker
    }

    fn acknowledge(tracker: &mut DeliveryTracker<u64>, tags: &[u64]) -> (Option<u64>, Vec<u64>) {
        let Acknowledgement { up_to, single } = tracker.acknowledge(tags.iter().copied());
        (up_to, single)
    }

    #[test]
    fn the_oldest_deliveries_are_acknowledged_together_and_the_others_individually() {
        let mut tracker = with(&[1, 2, 3, 4, 5]);
        assert_eq!(
            acknowledge(&mut tracker, &[5, 2, 1, 1, 99]),
            (Some(2), vec![5])
        );
        assert_eq!(acknowledge(&mut tracker, &[3, 4, 5]), (Some(4), vec![]));
    }

    #[test]
    fn multiple_never_acknowledges_across_a_gap() {
        let mut tracker = with(&[1, 2, 7]);
        assert_eq!(acknowledge(&mut tracker, &[1, 2, 7]), (Some(2), vec![7]));
        tracker.record(4, 4);
        assert_eq!(acknowledge(&mut tracker, &[4]), (None, vec![4]));
    }

    proptest! {
        /// Models the broker: for any order of arrival and acknowledgement, exactly the requested deliveries are
        /// acknowledged.
        #[test]
        fn exactly_the_requested_deliveries_are_acknowledged(
            arrivals in Just((1..=40_u64).collect::<Vec<_>>()).prop_shuffle(),
            requests in prop::collection::vec(prop::collection::vec(1..=45_u64, 0..12), 40),
        ) {
            // The broker has sent all 40 deliveries before the client reads the first one.
            let mut at_broker: BTreeSet<u64> = (1..=40).collect();
            let mut expected = at_broker.clone();
            let mut seen = BTreeSet::new();
            let mut tracker = DeliveryTracker::new();
            for (tag, requests) in arrivals.into_iter().zip(requests) {
                tracker.record(tag, tag);
                seen.insert(tag);
                let acknowledgement = tracker.acknowledge(requests.clone());
                if let Some(up_to) = acknowledgement.up_to {
                    at_broker.retain(|tag| *tag > up_to);
                }
                for tag in acknowledgement.single {
                    prop_assert!(at_broker.remove(&tag), "acknowledged twice: {}", tag);
                }
                for tag in requests {
                    if seen.contains(&tag) {
                        expected.remove(&tag);
                    }
                }
                prop_assert_eq!(&at_broker, &expected);
            }
        }
    }
}
