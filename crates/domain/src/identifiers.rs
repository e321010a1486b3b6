//! Names of products, vendors, orders and idempotent requests.

use std::fmt;

use thiserror::Error;

/// Longest product or vendor id, in characters.
pub const MAX_ID_CHARS: usize = 128;

/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// Nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// Longer than [`MAX_ID_CHARS`].
    #[error("must have at most {MAX_ID_CHARS} characters, has {0}")]
    TooLong(usize),
    /// A control character, which would garble logs and terminals.
    #[error("must not contain control characters")]
    ControlCharacter,
}

fn check_id(text: &str) -> Result<(), InvalidId> {
    if text.trim().is_empty() {
        return Err(InvalidId::Blank);
    }
    let chars = text.chars().count();
    if chars > MAX_ID_CHARS {
        return Err(InvalidId::TooLong(chars));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidId::ControlCharacter);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks a text: 1 to 128 characters, no control characters, not blank.
            ///
            /// # Errors
            /// [`InvalidId`] names the first rule that is broken.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_id(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as an owned text.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// What is sold. Ordered by bytes, as lists of stock are and as rows are locked.
    ProductId
}

text_id! {
    /// Who supplies it.
    VendorId
}

/// An order's number: given by the store, rising, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub i64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters")]
pub struct InvalidIdempotencyKey;

/// The client's name for one request, so that a repeat of it is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    scope: String,
    key: String,
}

impl IdempotencyKey {
    /// Checks a key within `scope`, the caller it belongs to (empty when callers are not told apart). No caller's name
    /// holds a control character.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] unless the key is 1 to 255 visible ASCII characters (0x21 to 0x7e).
    pub fn parse(
        scope: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<Self, InvalidIdempotencyKey> {
        let key = key.into();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES || !visible {
            return Err(InvalidIdempotencyKey);
        }
        Ok(Self {
            scope: scope.into(),
            key,
        })
    }

    /// Whose key it is.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The key as the client sent it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key of an item of the batch that has this key, by the item's place in it. Its scope holds a control character,
    /// and so belongs to no caller: no client can name it.
    #[must_use]
    pub fn of_item(&self, position: usize) -> Self {
        Self {
            scope: format!("{}\u{1f}{}", self.scope, self.key),
            key: position.to_string(),
        }
    }
}

/// Longest digest of a batch, in bytes.
const MAX_DIGEST_BYTES: usize = 64;

/// What a batch asks for, in short: batches that ask for the same have the same digest, others do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchDigest(String);

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_DIGEST_BYTES} visible ASCII characters")]
pub struct InvalidDigest;

impl BatchDigest {
    /// Checks a text.
    ///
    /// # Errors
    /// [`InvalidDigest`] unless it is 1 to 64 visible ASCII characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidDigest> {
        let text = text.into();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_DIGEST_BYTES || !visible {
            return Err(InvalidDigest);
        }
        Ok(Self(text))
    }

    /// The digest as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_characters_not_bytes() {
        assert!(ProductId::parse("ü".repeat(128)).is_ok());
        assert_eq!(
            ProductId::parse("ü".repeat(129)),
            Err(InvalidId::TooLong(129))
        );
    }

    #[test]
    fn blank_and_control_characters_are_refused() {
        assert_eq!(ProductId::parse(" \u{2003}"), Err(InvalidId::Blank));
        assert_eq!(ProductId::parse(""), Err(InvalidId::Blank));
        assert_eq!(ProductId::parse("a\0b"), Err(InvalidId::ControlCharacter));
        assert_eq!(
            ProductId::parse("a\u{85}b"),
            Err(InvalidId::ControlCharacter)
        );
    }

    #[test]
    fn keys_of_items_are_no_keys_of_callers() {
        let key = |scope: &str, key: &str| IdempotencyKey::parse(scope, key).unwrap();
        let items = [
            key("", "k").of_item(1),
            key("", "k").of_item(2),
            key("k", "k").of_item(1),
            key("", "k1").of_item(1),
        ];
        let distinct: std::collections::HashSet<_> = items.iter().collect();
        assert_eq!(distinct.len(), items.len());
        assert!(
            items
                .iter()
                .all(|item| item.scope().chars().any(char::is_control))
        );
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(IdempotencyKey::parse("", "a".repeat(255)).is_ok());
        for wrong in [
            String::new(),
            "a".repeat(256),
            "a b".to_owned(),
            "ä".to_owned(),
            "a\tb".to_owned(),
        ] {
            assert_eq!(IdempotencyKey::parse("", wrong), Err(InvalidIdempotencyKey));
        }
    }
}
