//! The change log: the orders and the stock that each transaction has changed.
//!
//! A unit of work that changes orders or stock writes an entry on commit, without a call by the use case: see
//! [`UnitOfWork`](super::UnitOfWork). An entry contains ids only; readers load the current rows. Entries are pruned after a
//! retention period.

use async_trait::async_trait;

use super::StoreError;
use crate::change_offset::ChangeOffset;
use crate::identifiers::{OrderId, ProductId};
use crate::timestamp::Timestamp;

/// Maximum number of orders, and of products, in one entry. A transaction that changes more writes several entries.
pub const MAX_CHANGED_IDS: usize = 1_024;

/// The ids that one transaction changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Orders that were accepted or settled, or whose status changed; by id.
    pub order_ids: Vec<OrderId>,
    /// Products whose stock was written, by id. Their available quantity may have changed.
    pub product_ids: Vec<ProductId>,
}

impl Changed {
    /// Whether the entry contains no ids.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order_ids.is_empty() && self.product_ids.is_empty()
    }

    /// Splits the ids into entries of at most [`MAX_CHANGED_IDS`] orders and as many products, sorted and without
    /// duplicates; returns no entry if there are no ids.
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

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEntry {
    /// The offset of the entry.
    pub offset: ChangeOffset,
    /// The ids that were changed.
    pub changed: Changed,
}

/// The result of reading the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangesRead {
    /// The entries after the offset.
    Next {
        /// The entries in log order.
        entries: Vec<ChangeEntry>,
        /// Whether later entries are already committed but not readable yet, because a transaction that is still open may
        /// write an entry before them. Readers should poll again soon: there is no notification when the entries become
        /// readable.
        held_back: bool,
    },
    /// Entries after the offset were pruned, or the log never had such an offset: the changes since then are not known.
    Gone,
}

/// Reads the change log.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ChangeQueries: Send + Sync {
    /// Returns the offset after which all future entries are read: the start for a reader that needs no past entries. MUST
    /// return an offset that [`read_changes`](Self::read_changes) accepts: a log restored from another server, whose offsets
    /// are invalid on this one, MUST be reset first.
    async fn newest_change(&self) -> Result<ChangeOffset, StoreError>;

    /// Returns at most `limit` entries after the offset, in log order. MUST NOT skip an entry: one whose transaction commits
    /// late MUST get an offset after all offsets that were returned before, or later entries MUST be held back until it is
    /// committed. MUST take time proportional to `limit`. An entry that can be read only in part MUST be returned with its
    /// readable ids, even if there are none.
    async fn read_changes(
        &self,
        after: ChangeOffset,
        limit: u32,
    ) -> Result<ChangesRead, StoreError>;
}

/// The change log inside a transaction. Entries are written by the commit.
#[async_trait]
pub trait ChangeRepository {
    /// Prunes at most `limit` entries that were written before `before`, and returns their number. MUST prune the oldest
    /// entries first and without gaps, so that after each offset either all entries are readable or the offset is gone.
    /// Where offsets are derived from counters of the server, a log restored from another server MUST be detected and reset:
    /// all of its offsets are gone from then on.
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
    fn entries_have_a_bounded_size() {
        assert_eq!(sizes(changed(0, 0)), []);
        assert_eq!(sizes(changed(1_024, 1_024)), [(1_024, 1_024)]);
        assert_eq!(
            sizes(changed(1_025, 2_100)),
            [(1_024, 1_024), (1, 1_024), (0, 52)]
        );
    }

    #[test]
    fn ids_are_sorted_and_without_duplicates() {
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
