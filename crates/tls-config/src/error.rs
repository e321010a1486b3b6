//! Errors in TLS files.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::Error as PemError;
use thiserror::Error;

/// An error in the files of a TLS configuration. No message contains a part of a file.
#[derive(Debug, Error)]
pub enum TlsFileError {
    /// A file cannot be read or is not PEM.
    #[error("the TLS {what} {} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The expected content of the file.
        what: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// The certificate is invalid, or the key does not match it.
    #[error(
        "the TLS certificate {} and the key {} cannot be used together: {source}",
        certificate.display(),
        key.display()
    )]
    Unusable {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
    /// The trust store of the system has no certificate.
    #[error(
        "the trust store of the system has no root certificate: set a file of root certificates"
    )]
    NoSystemRoots,
    /// The TLS library rejects the configuration.
    #[error("TLS cannot be configured: {0}")]
    Configuration(String),
}

pub(crate) fn unreadable(what: &'static str, path: &Path, error: &PemError) -> TlsFileError {
    let problem = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => format!("the file contains no {what} in PEM"),
        // The messages of the library may quote the file, which may be the private key.
        _ => "the file is not well-formed PEM".to_owned(),
    };
    TlsFileError::Unreadable {
        what,
        path: path.to_owned(),
        problem,
    }
}
