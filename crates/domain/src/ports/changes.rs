//! The change log: which orders and which stock each transaction has changed.
//!
//! A unit of work that changes orders or stock leaves an entry when it is committed, without being asked to: see
//! [`UnitOfWork`](super::UnitOfWork). An entry says what changed and not how: who reads it reads the rows as they are by
//! then. Entries are kept for a time.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{OrderId, ProductId};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// Most orders, and most products, that one entry names; a transaction that changes more leaves more entries.
pub const MAX_CHANGED_IDS: usize = 1_024;

/// What was changed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Orders that were accepted, settled or given another status; by id.
    pub order_ids: Vec<OrderId>,
    /// Products whose stock was written, by id: what can be sold of them may be another quantity than before.
    pub product_ids: Vec<ProductId>,
}

impl Changed {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order_ids.is_empty() && self.product_ids.is_empty()
    }

    /// The same in entries of at most [`MAX_CHANGED_IDS`] orders and as many products, each id once; none for nothing.
    #[must_use]
    pub fn into_entries(mut self) -> Vec<Self> {
        self.order_ids.sort_unstable();
        self.order_ids.dedup();
        self.product_ids.sort_unstable();
        self.product_ids.dedup();
        let mut orders = self.order_ids.chunks(MAX_CHANGED_IDS);
        let mut products = self.product_ids.chunks(MAX_CHANGED_IDS);
        let mut entries = Vec::new();
        loop {
            let entry = Self {
                order_ids: orders.next().unwrap_or_default().to_vec(),
                product_ids: products.next().unwrap_or_default().to_vec(),
            };
            if entry.is_empty() {
                return entries;
            }
            entries.push(entry);
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEntry {
    /// Where it stands.
    pub position: Position,
    /// What was changed.
    pub changed: Changed,
}

/// What was read of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangesRead {
    /// What comes next.
    Next {
        /// The entries after the position, in order.
        entries: Vec<ChangeEntry>,
        /// Whether more are committed already that cannot be given yet: a transaction that is still open may leave one
        /// before them. Looking again soon is worth while, though nobody will be woken for them.
        held_back: bool,
    },
    /// Entries after the position were forgotten, or the log never had such a position: what changed since is not known.
    Gone,
}

/// Reads the change log.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ChangeQueries: Send + Sync {
    /// The position after which everything comes that is yet to be given: where a reader begins that wants no past. MUST be
    /// one that can be read from: a log that came from another server, whose positions mean nothing here, is reset first.
    async fn newest_change(&self) -> Result<Position, StoreError>;

    /// At most `limit` entries after the position, in order. MUST never skip: an entry whose transaction commits late
    /// comes after every position that was given before, or those are held back for it. MUST take time by `limit`. An
    /// entry that cannot be read MUST be returned with what can be read of it, which may be nothing.
    async fn read_changes(&self, after: Position, limit: u32) -> Result<ChangesRead, StoreError>;
}

/// The change log inside a transaction. It is written by the commit.
#[async_trait]
pub trait ChangeRepository {
    /// Forgets at most `limit` entries that were left before the moment, and returns how many. MUST forget from the
    /// beginning on and leave out none, so that every position is either whole or gone. Where positions are a server's own
    /// numbers, a log that came from another server MUST be recognised and reset: all its positions are gone from then on.
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(orders: i64, products: usize) -> Changed {
        Changed {
            order_ids: (0..orders).rev().map(OrderId).collect(),
            product_ids: (0..products)
                .map(|number| ProductId::parse(number.to_string()).unwrap())
                .collect(),
        }
    }

    fn sizes(changed: Changed) -> Vec<(usize, usize)> {
        let entries = changed.into_entries();
        let sizes = entries.iter();
        sizes
            .map(|entry| (entry.order_ids.len(), entry.product_ids.len()))
            .collect()
    }

    #[test]
    fn entries_are_of_bounded_size() {
        assert_eq!(sizes(changed(0, 0)), []);
        assert_eq!(sizes(changed(1_024, 1_024)), [(1_024, 1_024)]);
        assert_eq!(
            sizes(changed(1_025, 2_100)),
            [(1_024, 1_024), (1, 1_024), (0, 52)]
        );
    }

    #[test]
    fn each_id_stands_once_and_in_order() {
        let mut twice = changed(3, 2);
        let again = changed(3, 2);
        twice.order_ids.extend(again.order_ids);
        twice.product_ids.extend(again.product_ids);
        let entries = twice.into_entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].order_ids, [0, 1, 2].map(OrderId));
        assert_eq!(entries[0].product_ids, changed(0, 2).product_ids);
    }
}
