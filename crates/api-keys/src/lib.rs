//! What an API key is: how one is made, how its hash is written down, and what its holder may do.
//!
//! One place for whoever makes keys, reads their hashes from the settings, or checks the key of a request. It does no I/O:
//! random bytes are passed in.
//!
//! A key is 256 random bits, so its plain SHA-256 is all that has to be kept. A slow hash with salt makes it costly to try
//! the few billion passwords that people choose; nobody tries 2^256 keys, however fast each try is. And a slow hash would be
//! paid for at every request.

mod hash;
mod roles;

pub use hash::{InvalidKeyHash, KeyHash};
pub use roles::Role;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What every key starts with, so that people and secret scanners recognise one that lies where it should not.
pub const PREFIX: &str = "oa_";

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A new key as its holder gets it, made of 256 bits from a cryptographic source.
#[must_use]
pub fn key_text(random: &[u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// What the service knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose it is. Keys of the same name are one holder's: to exchange a key, both are known for a while.
    pub name: String,
    /// Recognises it.
    pub hash: KeyHash,
    /// What its holder may do.
    pub roles: Vec<Role>,
}

impl ApiKey {
    /// Whether its holder may do what `role` may.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.includes(role))
    }
}

impl AsRef<Self> for ApiKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Whether a text can be the name of a key: it appears in logs and as a label.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_good)
}

/// Finds the key that a request presents. Takes as long for an unknown key as for any known one.
#[must_use]
pub fn find<'a, K: AsRef<ApiKey>>(keys: &'a [K], presented: &[u8]) -> Option<&'a K> {
    let hash = KeyHash::of(presented);
    let matching = keys.iter().filter(|key| key.as_ref().hash.equals(&hash));
    // To the end: where it stands in the list is nobody's business either.
    matching.fold(None, |found, key| found.or(Some(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, text: &str, roles: &[Role]) -> ApiKey {
        ApiKey {
            name: name.to_owned(),
            hash: KeyHash::of(text.as_bytes()),
            roles: roles.to_vec(),
        }
    }

    #[test]
    fn a_key_is_printable_and_holds_all_its_bits() {
        let text = key_text(&[0xff; 32]);
        assert_eq!(text, format!("oa_{}8", "_".repeat(42)));
        assert_ne!(key_text(&[0; 32]), text);
        // What RFC 6750 lets stand after `Bearer`.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        assert!(text.bytes().all(is_token));
    }

    #[test]
    fn a_key_is_found_by_its_text_alone() {
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
    fn an_operator_may_do_what_a_customer_may() {
        let customer = key("a", "one", &[Role::Customer]);
        let operator = key("b", "two", &[Role::Operator]);
        assert!(customer.has(Role::Customer) && !customer.has(Role::Operator));
        assert!(operator.has(Role::Customer) && operator.has(Role::Operator));
        assert!(!key("c", "three", &[]).has(Role::Customer));
    }

    #[test]
    fn a_name_is_a_short_word() {
        for good in ["shop", "web-shop_2.eu", &"n".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for wrong in ["", "a b", "a\n", "ü", "a:b", &"n".repeat(65)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
