//! API keys: generation, hashing, lookup and roles.
//!
//! Shared by the programs that generate keys, read key hashes from the settings, and authenticate requests. This crate does
//! no I/O: random bytes are passed in.
//!
//! A key is 256 random bits, so an unsalted SHA-256 is sufficient. A slow, salted hash protects passwords, which are
//! guessable; 2^256 keys cannot be enumerated at any speed, and a slow hash would be computed for every request.

mod hash;
mod roles;

pub use hash::{InvalidKeyHash, KeyHash};
pub use roles::{Grant, Role, VENDOR_ROLE};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identifiers::VendorId;

/// Prefix of every key, by which people and secret scanners recognise a leaked key.
pub const PREFIX: &str = "oa_";

/// Maximum length of a key name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Formats a new key from 256 bits of a cryptographic random source.
#[must_use]
pub fn key_text(random: &[u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// An API key, as the service stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Name of the client. Keys with the same name belong to one client, which has two keys during a key rotation.
    pub name: String,
    /// Hash of the key.
    pub hash: KeyHash,
    /// The permissions of the client.
    pub grant: Grant,
}

impl ApiKey {
    /// Whether the key has the permissions of `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        match &self.grant {
            Grant::Roles(roles) => roles.iter().any(|own| own.includes(role)),
            Grant::Vendor(_) => false,
        }
    }

    /// The vendor whose reports the key pushes; `None` if it is not the key of a vendor.
    #[must_use]
    pub fn vendor(&self) -> Option<&VendorId> {
        match &self.grant {
            Grant::Vendor(vendor_id) => Some(vendor_id),
            Grant::Roles(_) => None,
        }
    }
}

impl AsRef<Self> for ApiKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Whether a string is a valid key name, which appears in logs and in metric labels.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_valid)
}

/// Finds the key that a request presents, in a time that does not depend on which key it is or whether it is known.
#[must_use]
pub fn find<'a, K: AsRef<ApiKey>>(keys: &'a [K], presented: &[u8]) -> Option<&'a K> {
    let hash = KeyHash::of(presented);
    let matching = keys.iter().filter(|key| key.as_ref().hash.equals(&hash));
    // No early exit: the duration must not reveal the position of the key in the list.
    matching.fold(None, |found, key| found.or(Some(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, text: &str, roles: &[Role]) -> ApiKey {
        ApiKey {
            name: name.to_owned(),
            hash: KeyHash::of(text.as_bytes()),
            grant: Grant::Roles(roles.to_vec()),
        }
    }

    #[test]
    fn key_is_printable_and_encodes_all_bits() {
        let text = key_text(&[0xff; 32]);
        assert_eq!(text, format!("oa_{}8", "_".repeat(42)));
        assert_ne!(key_text(&[0; 32]), text);
        // The characters that RFC 6750 allows after `Bearer`.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        assert!(text.bytes().all(is_token));
    }

    #[test]
    fn key_is_found_by_its_exact_text() {
        let keys = [
            key("a", "one", &[Role::Customer]),
            key("b", "two", &[Role::Operator]),
            key("b", "three", &[Role::Operator]),
        ];
        let found = |text: &str| find(&keys, text.as_bytes()).map(|key| key.name.as_str());
        assert_eq!(found("one"), Some("a"));
        assert_eq!(found("two"), Some("b"));
        assert_eq!(found("three"), Some("b"));
        for unknown in ["", "One", "one ", "four", &keys[0].hash.to_string()] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn operator_has_the_permissions_of_a_customer() {
        let customer = key("a", "one", &[Role::Customer]);
        let operator = key("b", "two", &[Role::Operator]);
        assert!(customer.has(Role::Customer) && !customer.has(Role::Operator));
        assert!(operator.has(Role::Customer) && operator.has(Role::Operator));
        assert!(!key("c", "three", &[]).has(Role::Customer));
        assert_eq!(operator.vendor(), None);
    }

    #[test]
    fn vendor_has_no_role() {
        let vendor_id = VendorId::parse("acme").unwrap();
        let vendor = ApiKey {
            grant: Grant::Vendor(vendor_id.clone()),
            ..key("a", "one", &[])
        };
        assert!(!vendor.has(Role::Customer) && !vendor.has(Role::Operator));
        assert_eq!(vendor.vendor(), Some(&vendor_id));
    }

    #[test]
    fn name_is_short_and_has_no_special_characters() {
        for valid in ["shop", "web-shop_2.eu", &"n".repeat(64)] {
            assert!(is_name(valid), "{valid}");
        }
        for invalid in ["", "a b", "a\n", "ü", "a:b", &"n".repeat(65)] {
            assert!(!is_name(invalid), "{invalid}");
        }
    }
}
