//! Tracks rows that other transactions keep locked: how long settlement waits for each, and when it tries again.
//!
//! The state is kept in memory only: a new process waits for a row once more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::identifiers::{OrderId, ProductId};
use crate::timestamp::Timestamp;

/// Maximum wait for all rows of one batch: following batches wait in the queue meanwhile.
pub(super) const MAX_BATCH_WAIT: Duration = Duration::from_secs(1);

/// Maximum wait for a row after the first timeout.
const MAX_RETRY_WAIT: Duration = Duration::from_millis(100);

/// The delays before the next attempt double from the first to the maximum.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(8);

/// Maximum number of rows that are tracked.
const MAX_ROWS: usize = 10_000;

/// A row that prevents orders from being settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Row {
    /// The row of a product in `stock`, or one of its rows in `vendor_stock`.
    Stock(ProductId),
    /// The row of an order.
    Order(OrderId),
}

/// The next step of settlement for orders whose row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for the row, at most for this time.
    Wait(Duration),
    /// Requeue the orders with this delay.
    Postpone(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failed: u32,
    next_at: Timestamp,
}

/// The rows whose last wait timed out.
#[derive(Default)]
pub(super) struct HeldRows(Mutex<HashMap<Row, Attempts>>);

impl HeldRows {
    /// The next step for a row that is held. `remaining` is the remaining wait of the batch.
    pub(super) fn next(&self, row: &Row, now: Timestamp, remaining: Duration) -> Next {
        let attempts = self.lock().get(row).copied();
        let longest = match attempts {
            None => MAX_BATCH_WAIT,
            Some(attempts) if attempts.next_at <= now => MAX_RETRY_WAIT,
            Some(attempts) => return Next::Postpone(attempts.next_at.since(now)),
        };
        match longest.min(remaining) {
            Duration::ZERO => Next::Postpone(FIRST_DELAY),
            wait => Next::Wait(wait),
        }
    }

    /// Records that the wait for a row timed out. Returns the number of timeouts and the delay before the next attempt.
    pub(super) fn record_timeout(&self, row: Row, now: Timestamp) -> (u32, Duration) {
        let mut rows = self.lock();
        if rows.len() >= MAX_ROWS && !rows.contains_key(&row) {
            rows.clear();
        }
        let attempts = rows.entry(row).or_insert(Attempts {
            failed: 0,
            next_at: now,
        });
        let doubled = FIRST_DELAY.saturating_mul(1 << attempts.failed.min(16));
        let delay = doubled.min(MAX_DELAY);
        attempts.failed = attempts.failed.saturating_add(1);
        attempts.next_at = now.plus(delay);
        (attempts.failed, delay)
    }

    /// Records that rows were not held.
    pub(super) fn record_free(&self, rows: impl IntoIterator<Item = Row>) {
        let mut held = self.lock();
        if held.is_empty() {
            return;
        }
        for row in rows {
            held.remove(&row);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Row, Attempts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::Order(OrderId(1))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let rows = HeldRows::default();
        let delays: Vec<u64> = (0..6)
            .map(|_| rows.record_timeout(row(), at(0)).1.as_secs())
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn a_row_is_waited_for_again_after_its_delay_and_for_a_shorter_time() {
        let rows = HeldRows::default();
        let remaining = MAX_BATCH_WAIT;
        assert_eq!(
            rows.next(&row(), at(0), remaining),
            Next::Wait(MAX_BATCH_WAIT)
        );
        rows.record_timeout(row(), at(0));
        rows.record_timeout(row(), at(0));
        let postponed = Next::Postpone(Duration::from_secs(1));
        assert_eq!(rows.next(&row(), at(1), remaining), postponed);
        let again = Next::Wait(MAX_RETRY_WAIT);
        assert_eq!(rows.next(&row(), at(2), remaining), again);
        rows.record_free([row()]);
        assert_eq!(
            rows.next(&row(), at(2), remaining),
            Next::Wait(MAX_BATCH_WAIT)
        );
    }

    #[test]
    fn orders_are_postponed_when_the_wait_of_the_batch_is_used_up() {
        let next = HeldRows::default().next(&row(), at(0), Duration::ZERO);
        assert_eq!(next, Next::Postpone(FIRST_DELAY));
    }

    #[test]
    fn the_number_of_tracked_rows_is_bounded() {
        let rows = HeldRows::default();
        for id in 0..=10_000 {
            rows.record_timeout(Row::Order(OrderId(id)), at(0));
        }
        assert_eq!(rows.lock().len(), 1);
    }
}
