//! What a failure of the driver means to a use case.

use deadpool::managed::PoolError;
use diesel::result::Error;
use domain::ports::StoreError;

use crate::session::ConnectError;
use crate::wire::ServerError;

/// SQLSTATEs after which another try of the whole use case may succeed at once: a serialization failure, a deadlock.
const CONFLICTS: [&str; 2] = ["40001", "40P01"];

/// The class of constraint violations.
const CONSTRAINT: &str = "23";

/// Sorts a driver's error, of which the server said this.
///
/// Only what the same statement with the same values will always cause is `Failed`; whatever else the server or the
/// network says is transient, so it is `Unavailable`: a full disk must not send orders to the dead letters.
pub(crate) fn store_error(error: Error, server: Option<&ServerError>) -> StoreError {
    let Error::DatabaseError(_, information) = &error else {
        return StoreError::Failed(Box::new(error));
    };
    match server {
        Some(server) if CONFLICTS.contains(&server.code.as_str()) => {
            StoreError::Conflict(information.message().to_owned())
        }
        Some(server) if server.is_of(&[CONSTRAINT]) => StoreError::Failed(Box::new(error)),
        _ => StoreError::Unavailable(information.message().to_owned()),
    }
}

/// Whether a session on which a statement failed like this is as good as before: the pool keeps no other.
pub(crate) fn leaves_session_usable(server: Option<&ServerError>) -> bool {
    server
        .is_some_and(|error| !error.fatal && (error.is_of(&[CONSTRAINT]) || error.code == "40001"))
}

pub(crate) fn pool_error(error: PoolError<ConnectError>) -> StoreError {
    match error {
        PoolError::Timeout(_) => {
            StoreError::Unavailable("no connection became free in time".to_owned())
        }
        PoolError::Backend(error) => error.into(),
        other => StoreError::Unavailable(other.to_string()),
    }
}
