//! The hash of an API key. The service stores the hash only, never the key.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// Prefix that names the hash algorithm, so that another algorithm can be added.
const ALGORITHM: &str = "sha256:";

/// The error of a string that is not a key hash. It does not quote the string, which may be a misplaced key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not sha256: and 64 hexadecimal digits")]
pub struct InvalidKeyHash;

/// SHA-256 of an API key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hashes a key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Parses the output of [`Display`](fmt::Display); the hexadecimal digits may be in either case.
    ///
    /// # Errors
    /// [`InvalidKeyHash`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeyHash> {
        let digits = text.strip_prefix(ALGORITHM).ok_or(InvalidKeyHash)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidKeyHash)?;
        Ok(Self(bytes))
    }

    /// Compares in constant time.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of `printf abc | sha256sum`.
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hash_equals_the_output_of_sha256sum() {
        let hash = KeyHash::of(b"abc");
        assert_eq!(hash.to_string(), format!("sha256:{OF_ABC}"));
        let upper = format!("sha256:{}", OF_ABC.to_uppercase());
        for text in [hash.to_string(), upper] {
            assert!(KeyHash::parse(&text).unwrap().equals(&hash), "{text}");
        }
        assert!(!KeyHash::of(b"abd").equals(&hash));
    }

    #[test]
    fn malformed_hash_is_rejected_without_quoting_it() {
        for invalid in [
            String::new(),
            OF_ABC.to_owned(),
            "sha256:".to_owned(),
            format!("sha256:{}", &OF_ABC[1..]),
            format!("sha256:{OF_ABC}0"),
            format!("sha256: {OF_ABC}"),
            format!("sha256:{}g", &OF_ABC[1..]),
            format!("sha512:{OF_ABC}"),
            "oa_hunter2".to_owned(),
        ] {
            let error = KeyHash::parse(&invalid).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
