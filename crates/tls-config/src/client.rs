//! The TLS configuration of a client.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::cache::Cache;
use crate::error::TlsFileError;
use crate::files::{Contents, Identity, provider};
use crate::verifier::{AuthorityVerifier, NoVerifier};

/// The extent to which a client verifies a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The certificate is not verified: the connection is encrypted, but its server may be an impostor.
    None,
    /// A trusted authority must have signed the certificate.
    Authority,
    /// As [`Authority`](Self::Authority), and the certificate must be for the host that the client connects to.
    Full,
}

/// Options of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsOptions {
    /// The extent to which the server's certificate is verified.
    pub verification: Verification,
    /// PEM file of the trusted root certificates. If `None`, the system's trust store is used.
    pub root_certificates: Option<PathBuf>,
    /// Certificate and key with which the client identifies itself, if the server requires it.
    pub identity: Option<Identity>,
}

/// Configures the connections of a client. Clones share what was read from the files.
#[derive(Clone)]
pub struct ClientTls {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClientTlsOptions,
    cache: Cache<ClientConfig>,
}

impl ClientTls {
    /// Creates a configuration. Its files are read for each connection.
    #[must_use]
    pub fn new(options: ClientTlsOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                cache: Cache::new(),
            }),
        }
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &ClientTlsOptions {
        &self.inner.options
    }

    /// Returns the configuration for a new connection. Reads the files, so it blocks.
    ///
    /// # Errors
    /// [`TlsFileError`] if the files cannot be used and no earlier ones could.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsFileError> {
        let Inner { options, cache } = &*self.inner;
        cache.get(
            || {
                Contents::read(
                    options.root_certificates.as_deref(),
                    options.identity.as_ref(),
                )
            },
            |contents| config(options, contents),
        )
    }

    /// Returns the name of a server by which its certificate is verified.
    ///
    /// # Errors
    /// [`TlsFileError::Configuration`] if the host is neither a DNS name nor an IP address.
    pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsFileError> {
        ServerName::try_from(host.to_owned()).map_err(|_| {
            let problem = format!("{host:?} is neither a DNS name nor an IP address");
            TlsFileError::Configuration(problem)
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.options.fmt(f)
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.inner.options == other.inner.options
    }
}

impl Eq for ClientTls {}

fn config(options: &ClientTlsOptions, contents: &Contents) -> Result<ClientConfig, TlsFileError> {
    let provider = provider();
    let roots = || contents.root_store(options.root_certificates.as_deref());
    let verifier: Arc<dyn ServerCertVerifier> = match options.verification {
        Verification::None => Arc::new(NoVerifier(Arc::clone(&provider))),
        Verification::Authority => Arc::new(AuthorityVerifier(verifier(roots()?)?)),
        Verification::Full => verifier(roots()?)?,
    };
    let key: Option<CertifiedKey> = match &options.identity {
        Some(files) => Some(contents.certified_key(files, &provider)?),
        None => None,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFileError::Configuration(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    // A resumed session would not verify the server's certificate again. Connections are few and long.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TlsFileError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsFileError::Configuration(error.to_string()))
}
