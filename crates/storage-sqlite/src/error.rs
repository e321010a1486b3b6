//! What a failure of the driver means to a use case.

use std::fmt::Display;

use diesel::result::{DatabaseErrorKind, Error};
use domain::ports::StoreError;

/// Sorts a driver's error: only what the same statement with the same values will always cause is `Failed`. Whatever else
/// SQLite says may pass, also a full disk, and must not send orders to the dead letters.
pub(crate) fn store_error(error: Error) -> StoreError {
    match error {
        error @ Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation,
            _,
        ) => StoreError::Failed(Box::new(error)),
        Error::DatabaseError(_, info) if info.message().contains("is locked") => {
            StoreError::Unavailable("another program keeps the data file busy".to_owned())
        }
        Error::DatabaseError(_, info) => StoreError::Unavailable(info.message().to_owned()),
        other => StoreError::Failed(Box::new(other)),
    }
}

/// A failure that no retry cures.
pub(crate) fn refused(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

/// A write that touched another number of rows than it had to: the rows were not as the use case had locked them.
pub(crate) fn expect_one(what: &str, key: impl Display, written: usize) -> Result<(), StoreError> {
    if written == 1 {
        Ok(())
    } else {
        Err(refused(format!(
            "{what} {key}: {written} rows written, 1 expected"
        )))
    }
}
