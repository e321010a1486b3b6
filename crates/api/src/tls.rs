//! TLS from certificate files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// The PEM files of the server's certificate and key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of the server's certificate.
    pub key: PathBuf,
}

/// An error in the TLS files.
#[derive(Debug, Error)]
pub enum TlsError {
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
}

/// Reads the files.
pub(crate) fn load(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .and_then(|chain: Vec<_>| {
            let found = (!chain.is_empty()).then_some(chain);
            found.ok_or(PemError::NoItemsFound)
        })
        .map_err(|error| unreadable("certificate", &files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable("key", &files.key, &error))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| TlsError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        })
}

fn unreadable(what: &'static str, path: &Path, error: &PemError) -> TlsError {
    let problem = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => format!("the file contains no {what} in PEM"),
        // The messages of the library may quote the file, which may be the private key.
        _ => "the file is not well-formed PEM".to_owned(),
    };
    TlsError::Unreadable {
        what,
        path: path.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    struct Files {
        folder: TempDir,
    }

    impl Files {
        fn write(&self, name: &str, content: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn error_names_the_unusable_file() {
        let files = Files {
            folder: tempfile::tempdir().unwrap(),
        };
        let (certificate, key) = pair();
        let certificate = files.write("tls.crt", &certificate);
        let key = files.write("tls.key", &key);
        let load = |certificate: &Path, key: &Path| {
            let files = TlsFiles {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            };
            load(&files)
        };
        assert!(load(&certificate, &key).is_ok());

        let missing = files.folder.path().join("none.pem");
        let garbage = files.write("garbage.pem", "-----BEGIN PRIVATE KEY-----\nhunter2!\n");
        let other_key = files.write("other.key", &pair().1);
        for (certificate, key, named, problem) in [
            (&missing, &key, &missing, "No such file"),
            (&certificate, &missing, &missing, "No such file"),
            (&key, &key, &key, "no certificate in PEM"),
            (&certificate, &certificate, &certificate, "no key in PEM"),
            (&certificate, &garbage, &garbage, "not well-formed PEM"),
            (
                &certificate,
                &other_key,
                &other_key,
                "cannot be used together",
            ),
        ] {
            let error = load(certificate, key).unwrap_err().to_string();
            assert!(error.contains(&*named.to_string_lossy()), "{error}");
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
