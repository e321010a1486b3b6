//! Files of TLS to the servers.

use std::path::PathBuf;

use tls_config::Identity;

/// Returns the identity of a client. The settings have both files, or neither.
pub(crate) fn identity(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Identity> {
    Some(Identity {
        certificate: certificate?.clone(),
        key: key?.clone(),
    })
}
