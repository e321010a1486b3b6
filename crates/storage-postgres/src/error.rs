//! Maps errors of the driver to [`StoreError`].

use deadpool::managed::PoolError;
use diesel::result::Error;
use domain::ports::StoreError;

use crate::connect_error::ConnectError;
use crate::wire::ServerError;

/// SQLSTATEs after which the whole use case can be retried immediately: serialization failure and deadlock.
const CONFLICTS: [&str; 2] = ["40001", "40P01"];

/// The SQLSTATE class of constraint violations.
const CONSTRAINT: &str = "23";

/// Converts an error of the driver, using the details that the server sent.
///
/// Only an error that the same statement with the same values always causes is `Failed`. All other errors of the server
/// or the network are transient and therefore `Unavailable`: a full disk must not dead-letter orders.
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

/// Errors other than constraint violations that say nothing about the session: a serialization failure, and a lock that was not
/// free in time.
const REUSABLE: [&str; 2] = ["40001", "55P03"];

/// Returns whether the session can be reused after this error; the pool keeps no other sessions.
pub(crate) fn leaves_session_usable(server: Option<&ServerError>) -> bool {
    server.is_some_and(|error| {
        !error.fatal && (error.is_of(&[CONSTRAINT]) || REUSABLE.contains(&error.code.as_str()))
    })
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
