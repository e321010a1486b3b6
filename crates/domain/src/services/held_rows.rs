//! Which rows other transactions keep locked, how long settlement waits for each, and when it tries again.
//!
//! Kept in memory: a process that forgets it waits once more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::identifiers::{OrderId, ProductId};
use crate::timestamp::Timestamp;

/// Longest wait for all rows of one batch: its neighbours wait in the queue meanwhile.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait for a row that was waited for in vain before.
const LONGEST_FURTHER_WAIT: Duration = Duration::from_millis(100);

/// Pauses before the next attempt double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Most rows that are remembered.
const MAX_ROWS: usize = 10_000;

/// The row that keeps orders from being settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Row {
    /// Of a product: its row in `stock`, or one in `vendor_stock`.
    Stock(ProductId),
    /// Of an order.
    Order(OrderId),
}

/// What settlement does with orders whose row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for the row, at most for this time.
    Wait(Duration),
    /// Put the orders back into the outbox, for this time.
    Postpone(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failed: u32,
    next_at: Timestamp,
}

/// The rows that were waited for in vain, and are not free yet.
#[derive(Default)]
pub(super) struct HeldRows(Mutex<HashMap<Row, Attempts>>);

impl HeldRows {
    /// What to do now about a row that is held. `left` is what is left of the batch's time to wait.
    pub(super) fn next(&self, row: &Row, now: Timestamp, left: Duration) -> Next {
        let attempts = self.lock().get(row).copied();
        let longest = match attempts {
            None => LONGEST_WAIT,
            Some(attempts) if attempts.next_at <= now => LONGEST_FURTHER_WAIT,
            Some(attempts) => return Next::Postpone(attempts.next_at.since(now)),
        };
        match longest.min(left) {
            Duration::ZERO => Next::Postpone(FIRST_PAUSE),
            wait => Next::Wait(wait),
        }
    }

    /// Notes that a row was waited for in vain, and returns how often it was and the pause before the next attempt.
    pub(super) fn waited_in_vain(&self, row: Row, now: Timestamp) -> (u32, Duration) {
        let mut rows = self.lock();
        if rows.len() >= MAX_ROWS && !rows.contains_key(&row) {
            rows.clear();
        }
        let attempts = rows.entry(row).or_insert(Attempts {
            failed: 0,
            next_at: now,
        });
        let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.failed.min(16));
        let pause = doubled.min(LONGEST_PAUSE);
        attempts.failed = attempts.failed.saturating_add(1);
        attempts.next_at = now.plus(pause);
        (attempts.failed, pause)
    }

    /// Notes that rows were free.
    pub(super) fn free(&self, rows: impl IntoIterator<Item = Row>) {
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
    fn pauses_double_up_to_the_longest() {
        let rows = HeldRows::default();
        let pauses: Vec<u64> = (0..6)
            .map(|_| rows.waited_in_vain(row(), at(0)).1.as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn a_row_is_waited_for_again_only_after_its_pause_and_for_a_shorter_time() {
        let rows = HeldRows::default();
        let left = LONGEST_WAIT;
        assert_eq!(rows.next(&row(), at(0), left), Next::Wait(LONGEST_WAIT));
        rows.waited_in_vain(row(), at(0));
        rows.waited_in_vain(row(), at(0));
        let rest = Next::Postpone(Duration::from_secs(1));
        assert_eq!(rows.next(&row(), at(1), left), rest);
        let again = Next::Wait(LONGEST_FURTHER_WAIT);
        assert_eq!(rows.next(&row(), at(2), left), again);
        rows.free([row()]);
        assert_eq!(rows.next(&row(), at(2), left), Next::Wait(LONGEST_WAIT));
    }

    #[test]
    fn without_time_left_orders_are_put_back_at_once() {
        let next = HeldRows::default().next(&row(), at(0), Duration::ZERO);
        assert_eq!(next, Next::Postpone(FIRST_PAUSE));
    }

    #[test]
    fn rows_are_remembered_up_to_a_bound() {
        let rows = HeldRows::default();
        for id in 0..=10_000 {
            rows.waited_in_vain(Row::Order(OrderId(id)), at(0));
        }
        assert_eq!(rows.lock().len(), 1);
    }
}
