//! The TLS configuration of a server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::cache::Cache;
use crate::error::TlsFileError;
use crate::files::{Contents, Identity, provider};

/// Returns the configuration of a server that reads its certificate again for each connection.
///
/// # Errors
/// [`TlsFileError`] if the files cannot be used now.
pub fn server_config(files: Identity) -> Result<ServerConfig, TlsFileError> {
    let renewed = RenewedCertificate {
        files,
        cache: Cache::new(),
    };
    renewed.current()?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFileError::Configuration(error.to_string()))?;
    Ok(builder
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(renewed)))
}

#[derive(Debug)]
struct RenewedCertificate {
    files: Identity,
    cache: Cache<CertifiedKey>,
}

impl RenewedCertificate {
    fn current(&self) -> Result<Arc<CertifiedKey>, TlsFileError> {
        self.cache.get(
            || Contents::read(None, Some(&self.files)),
            |contents| contents.certified_key(&self.files, &provider()),
        )
    }
}

impl ResolvesServerCert for RenewedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Never an error: the files could be used when the server started.
        self.current().ok()
    }
}
