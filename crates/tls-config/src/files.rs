//! Reads and parses PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::error::{TlsFileError, unreadable};

const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";
const ROOTS: &str = "root certificate";

/// The PEM files with which a server or a client identifies itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// Identifies the content of files without keeping it in memory.
pub(crate) type Fingerprint = [u8; 32];

/// The content of the files of a configuration at one moment.
#[derive(Default)]
pub(crate) struct Contents {
    roots: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Contents {
    pub(crate) fn read(
        roots: Option<&Path>,
        identity: Option<&Identity>,
    ) -> Result<Self, TlsFileError> {
        let read = |what, path: &Path| {
            std::fs::read(path).map_err(|error| unreadable(what, path, &PemError::Io(error)))
        };
        Ok(Self {
            roots: roots.map(|path| read(ROOTS, path)).transpose()?,
            certificate: identity
                .map(|files| read(CERTIFICATE, &files.certificate))
                .transpose()?,
            key: identity.map(|files| read(KEY, &files.key)).transpose()?,
        })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        for content in [&self.roots, &self.certificate, &self.key] {
            let content = content.as_deref().unwrap_or_default();
            // The length separates the files.
            hash.update(content.len().to_be_bytes());
            hash.update(content);
        }
        hash.finalize().into()
    }

    /// Returns the trusted root certificates: those of the file, or those of the system if there is no file.
    pub(crate) fn root_store(&self, path: Option<&Path>) -> Result<RootCertStore, TlsFileError> {
        let mut store = RootCertStore::empty();
        let (Some(path), Some(content)) = (path, &self.roots) else {
            // Certificates that cannot be read are skipped, as other programs do.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return if store.is_empty() {
                Err(TlsFileError::NoSystemRoots)
            } else {
                Ok(store)
            };
        };
        for certificate in certificates(ROOTS, path, content)? {
            store
                .add(certificate)
                .map_err(|error| TlsFileError::Unreadable {
                    what: ROOTS,
                    path: path.to_owned(),
                    problem: error.to_string(),
                })?;
        }
        Ok(store)
    }

    /// Returns certificate and key, which match.
    pub(crate) fn certified_key(
        &self,
        files: &Identity,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsFileError> {
        let content = self.certificate.as_deref().unwrap_or_default();
        let chain = certificates(CERTIFICATE, &files.certificate, content)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_deref().unwrap_or_default())
            .map_err(|error| unreadable(KEY, &files.key, &error))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsFileError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        })
    }
}

fn certificates(
    what: &'static str,
    path: &Path,
    content: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    CertificateDer::pem_slice_iter(content)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| {
            let found = (!chain.is_empty()).then_some(chain);
            found.ok_or(PemError::NoItemsFound)
        })
        .map_err(|error| unreadable(what, path, &error))
}

/// The only implementation of cryptography in these programs.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
