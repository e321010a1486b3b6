//! Rows with values that no version of this program writes. They are left out, so that they affect no other row.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::error;

use domain::ports::StoreError;

/// Maximum number of rows that are tracked as logged.
const MAX_LOGGED: usize = 1_000;

/// Counts the unreadable rows of a store, and tracks which of them were logged.
#[derive(Default)]
pub struct UnreadableRows {
    count: AtomicU64,
    logged: Mutex<HashSet<(&'static str, &'static str, String)>>,
}

impl UnreadableRows {
    /// Number of times that a row was left out since the store was opened.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns the readable values, in their order. Unreadable ones are counted, and each row is logged once.
    ///
    /// # Errors
    /// The first error that is not about the content of a row.
    pub fn leave_out<T>(
        &self,
        values: impl IntoIterator<Item = Result<T, StoreError>>,
    ) -> Result<Vec<T>, StoreError> {
        let values = values.into_iter();
        let mut readable = Vec::with_capacity(values.size_hint().0);
        for value in values {
            readable.extend(self.readable(value)?);
        }
        Ok(readable)
    }

    /// Returns the value, or `None` if its row cannot be read; such a row is counted and logged once.
    ///
    /// # Errors
    /// An error that is not about the content of the row.
    pub fn readable<T>(&self, value: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Corrupt { table, column, row }) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                self.log(table, column, &row);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn log(&self, table: &'static str, column: &'static str, row: &str) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_LOGGED {
            logged.clear();
        }
        if logged.insert((table, column, row.to_owned())) {
            error!(table, column, row, "unreadable row left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(row: i64) -> StoreError {
        StoreError::Corrupt {
            table: "orders",
            column: "status",
            row: row.to_string(),
        }
    }

    #[test]
    fn unreadable_rows_are_left_out_and_counted() {
        let rows = UnreadableRows::default();
        let values = [Ok(1), Err(unreadable(2)), Ok(3), Err(unreadable(2))];
        assert_eq!(rows.leave_out(values).unwrap(), [1, 3]);
        assert_eq!(rows.count(), 2);
        assert_eq!(rows.logged.lock().unwrap().len(), 1);
    }

    #[test]
    fn other_errors_are_returned() {
        let rows = UnreadableRows::default();
        let unavailable = StoreError::Unavailable("connection refused".to_owned());
        let error = rows.leave_out([Ok(1), Err(unavailable)]).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)));
        assert_eq!(rows.count(), 0);
    }

    #[test]
    fn the_number_of_rows_tracked_as_logged_is_bounded() {
        let rows = UnreadableRows::default();
        for row in 0..=1_000 {
            assert_eq!(rows.readable::<()>(Err(unreadable(row))).unwrap(), None);
        }
        assert_eq!(rows.logged.lock().unwrap().len(), 1);
    }
}
