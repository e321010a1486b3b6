//! Maps errors of the driver to [`StoreError`].

use std::fmt::Display;

use diesel::result::{DatabaseErrorKind, Error};
use domain::ports::StoreError;

/// Converts an error of the driver. Only an error that the same statement with the same values always causes is
/// `Failed`. All other errors of SQLite, such as a full disk, are transient and must not dead-letter orders.
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
            StoreError::Unavailable("the data file is locked by another program".to_owned())
        }
        Error::DatabaseError(_, info) => StoreError::Unavailable(info.message().to_owned()),
        other => StoreError::Failed(Box::new(other)),
    }
}

/// Returns the error of a failure that a retry does not cure.
pub(crate) fn refused(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

/// Checks that a write affected one row. Otherwise the row was not as the use case had locked it.
pub(crate) fn expect_one(what: &str, key: impl Display, written: usize) -> Result<(), StoreError> {
    if written == 1 {
        Ok(())
    } else {
        Err(refused(format!(
            "{what} {key}: {written} rows written, 1 expected"
        )))
    }
}
