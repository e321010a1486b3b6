//! The check of the server's key against the fingerprint of the settings.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKeyOrCertificate};

use super::ConnectError;
use crate::source::directory::Failure;

/// The types of keys, of which a server usually has one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Ed25519,
    Ecdsa,
    Rsa,
}

impl KeyType {
    const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    fn of(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::Ecdsa { .. } => Some(Self::Ecdsa),
            Algorithm::Rsa { .. } => Some(Self::Rsa),
            _ => None,
        }
    }

    /// The signature algorithms of these types of keys, in order of preference. RSA with SHA-1 is the last, for old servers:
    /// a forged signature needs the key that has the fingerprint.
    pub(super) fn algorithms(types: &[Self]) -> Vec<Algorithm> {
        let ecdsa = |curve| Algorithm::Ecdsa { curve };
        let rsa = |hash| Algorithm::Rsa { hash };
        let algorithms = types.iter().flat_map(|key_type| match key_type {
            Self::Ed25519 => vec![Algorithm::Ed25519],
            Self::Ecdsa => vec![
                ecdsa(EcdsaCurve::NistP256),
                ecdsa(EcdsaCurve::NistP384),
                ecdsa(EcdsaCurve::NistP521),
            ],
            Self::Rsa => vec![
                rsa(Some(HashAlg::Sha512)),
                rsa(Some(HashAlg::Sha256)),
                rsa(None),
            ],
        });
        algorithms.collect()
    }
}

/// The expected key of a server.
#[derive(Debug)]
pub(super) struct HostKey {
    fingerprint: String,
    /// The type of the key that had the fingerprint.
    found: Arc<Mutex<Option<KeyType>>>,
}

impl HostKey {
    pub(super) fn new(fingerprint: String) -> Self {
        Self {
            fingerprint,
            found: Arc::default(),
        }
    }

    /// All types of keys; first the one that had the fingerprint the last time.
    pub(super) fn types(&self) -> Vec<KeyType> {
        let found = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut types = KeyType::ALL.to_vec();
        types.sort_by_key(|key_type| Some(*key_type) != found);
        types
    }

    /// The check of one connection.
    pub(super) fn check(&self) -> HostKeyCheck {
        HostKeyCheck {
            fingerprint: self.fingerprint.clone(),
            found: Arc::clone(&self.found),
        }
    }

    /// The failure of a server without the key; `presented` has the fingerprints of its keys.
    pub(super) fn mismatch(&self, presented: &[String]) -> Failure {
        let presented = presented.join(" and ");
        Failure::permanent(format!(
            "the server has the key {presented}, expected {} (source.host_key): if the vendor confirms the key, set \
             source.host_key to it; no login was sent",
            self.fingerprint
        ))
    }
}

/// Compares the key that the server presents on one connection.
pub(super) struct HostKeyCheck {
    fingerprint: String,
    found: Arc<Mutex<Option<KeyType>>>,
}

impl client::Handler for HostKeyCheck {
    type Error = ConnectError;

    fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> impl Future<Output = Result<bool, ConnectError>> + Send {
        let result = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let algorithm = key.algorithm();
                let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
                if fingerprint == self.fingerprint {
                    *self.found.lock().unwrap_or_else(PoisonError::into_inner) =
                        KeyType::of(&algorithm);
                    Ok(true)
                } else {
                    Err(ConnectError::OtherKey {
                        key_type: KeyType::of(&algorithm),
                        fingerprint: format!("{fingerprint} ({algorithm})"),
                    })
                }
            }
            // No certificate was requested.
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        };
        std::future::ready(result)
    }
}
