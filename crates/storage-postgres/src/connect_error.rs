//! Errors of opening a session.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use domain::ports::StoreError;
use thiserror::Error;

use crate::options::PgOptions;

/// Why a session could not be opened.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address does not accept connections, or the server does not respond in time. Transient.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
    /// The server rejects the login of this user to this database. Permanent: a retry fails until a setting is changed.
    #[error("{server} refused the login: {reason}")]
    Refused {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
    /// The server and this program do not agree on TLS, or one of them rejects the other's certificate. Permanent, as above.
    #[error("no TLS connection to {server}: {reason}")]
    Tls {
        /// Host and port.
        server: String,
        /// The cause and the remedy.
        reason: String,
    },
    /// The server is a standby, or its sessions are read-only. Transient: another host may be the primary.
    #[error("{server} is read-only: {reason}")]
    ReadOnly {
        /// Host and port.
        server: String,
        /// The cause.
        reason: &'static str,
    },
    /// The server or a pooler did not behave as requested.
    #[error("{server}: {reason}")]
    Failed {
        /// Host and port.
        server: String,
        /// The cause.
        reason: String,
    },
}

impl ConnectError {
    /// Returns whether a retry fails until a setting or the server is changed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Tls { .. })
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Converts an error of the driver during the login.
pub(crate) fn login_error(
    error: &tokio_postgres::Error,
    options: &PgOptions,
    server: String,
) -> ConnectError {
    // With TLS 1.3 a server refuses a client certificate only after the handshake.
    if let (Some(tls), Some(error)) = (&options.tls, tls_config::tls_error(error)) {
        let reason = tls_config::explain(error, tls.options());
        return ConnectError::Tls { server, reason };
    }
    let reason = chain(error);
    let Some(code) = error.code() else {
        let is_io = matches!(error.source(), Some(cause) if cause.is::<io::Error>());
        if options.password.is_none() && !is_io && !error.is_closed() {
            let user = &options.user;
            let reason = format!("user {user:?} needs a password, and none is set");
            return ConnectError::Refused { server, reason };
        }
        return ConnectError::Unreachable { server, reason };
    };
    // Invalid authorization, unknown database, missing CONNECT privilege.
    let code = code.code();
    if code.starts_with("28") || code == "3D000" || code == "42501" {
        ConnectError::Refused { server, reason }
    } else {
        ConnectError::Failed { server, reason }
    }
}

/// Formats an error with its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}
