//! What a failure of the driver means to a use case.

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::pooled_connection::deadpool::PoolError;
use domain::ports::StoreError;

/// Sorts a driver's error.
///
/// Only what the same statement with the same values will always cause is `Failed`; whatever else the server or the
/// network says may pass, so it is `Unavailable`: a full disk must not send orders to the dead letters.
pub(crate) fn store_error(error: Error) -> StoreError {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
            StoreError::Conflict(info.message().to_owned())
        }
        // The driver has no kind for it; the pool asks the server for messages in English.
        Error::DatabaseError(DatabaseErrorKind::Unknown, info)
            if info.message().contains("deadlock detected") =>
        {
            StoreError::Conflict(info.message().to_owned())
        }
        error @ Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::ExclusionViolation
            | DatabaseErrorKind::RestrictViolation,
            _,
        ) => StoreError::Failed(Box::new(error)),
        Error::DatabaseError(_, info) => StoreError::Unavailable(info.message().to_owned()),
        other => StoreError::Failed(Box::new(other)),
    }
}

pub(crate) fn pool_error(error: &PoolError) -> StoreError {
    StoreError::Unavailable(match error {
        PoolError::Timeout(_) => "no connection became free in time".to_owned(),
        other => other.to_string(),
    })
}
