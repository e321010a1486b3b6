//! Identifiers of products, vendors, orders and idempotent requests.

use std::fmt;

use thiserror::Error;

/// Maximum length of a product or vendor id, in characters.
pub const MAX_ID_CHARS: usize = 128;

/// Maximum length of an idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The reason why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// Empty, or only white space.
    #[error("must not be blank")]
    Blank,
    /// Longer than [`MAX_ID_CHARS`].
    #[error("must have at most {MAX_ID_CHARS} characters, has {0}")]
    TooLong(usize),
    /// A control character, which could corrupt logs and terminal output.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// White space at an end, which makes the id look like another one.
    #[error("must not begin or end with white space")]
    WhiteSpaceAtEnds,
    /// An invisible character, which makes the id look like another one.
    #[error("must not contain the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
    /// A character sequence that is not in Unicode NFC, so that one visible id would be two.
    #[error("must be in Unicode normalization form C (NFC)")]
    NotNormalized,
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

/// Checks that the id has its only accepted spelling, so that two ids that look the same are the same.
fn check_canonical(text: &str) -> Result<(), InvalidId> {
    if text.trim() != text {
        return Err(InvalidId::WhiteSpaceAtEnds);
    }
    if text.is_ascii() {
        return Ok(());
    }
    if let Some(invisible) = text.chars().find(|char| is_invisible(*char)) {
        return Err(InvalidId::Invisible(invisible));
    }
    if !unicode_normalization::is_nfc(text) {
        return Err(InvalidId::NotNormalized);
    }
    Ok(())
}

/// Characters without a width that are not part of a letter: joiners, directional marks, variation selectors.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Without a capacity: a report of a million products keeps as many ids in memory.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as an owned `String`.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0.into()
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
    /// Identifies a product. Sorted in byte order, which is the order of stock lists and of row locks.
    ProductId
}

impl ProductId {
    /// Parses an id from outside: 1 to 128 characters, no control characters, not blank, and canonical, which is without
    /// white space at its ends, without invisible characters and in Unicode NFC.
    ///
    /// # Errors
    /// [`InvalidId`] with the first violated rule.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let id = Self::parse_stored(text)?;
        check_canonical(&id.0)?;
        Ok(id)
    }

    /// Parses an id that may have been stored before ids had to be canonical, or that is only looked up.
    ///
    /// # Errors
    /// [`InvalidId`] with the first violated rule.
    pub fn parse_stored(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        check_id(&text)?;
        Ok(Self(text.into()))
    }
}

text_id! {
    /// Identifies a vendor.
    VendorId
}

impl VendorId {
    /// Parses an id: 1 to 128 characters, no control characters, not blank.
    ///
    /// # Errors
    /// [`InvalidId`] with the first violated rule.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        check_id(&text)?;
        Ok(Self(text.into()))
    }
}

/// Identifies an order: assigned by the store, rising, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub i64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters")]
pub struct InvalidIdempotencyKey;

/// The client's key of one request, by which a repeat is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    scope: String,
    key: String,
}

impl IdempotencyKey {
    /// Parses a key within `scope`, the name of the caller it belongs to (empty without authentication). No caller's name
    /// contains a control character.
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

    /// The caller that the key belongs to.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The key as the client sent it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The derived key of an item of the batch that has this key, by the item's index. Its scope contains a control
    /// character, so no client can send the same key.
    #[must_use]
    pub fn of_item(&self, index: usize) -> Self {
        Self {
            scope: format!("{}\u{1f}{}", self.scope, self.key),
            key: index.to_string(),
        }
    }
}

/// Maximum length of a batch digest, in bytes.
const MAX_DIGEST_BYTES: usize = 64;

/// The digest of the requests of a batch: equal for equal requests, different otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchDigest(String);

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_DIGEST_BYTES} visible ASCII characters")]
pub struct InvalidDigest;

impl BatchDigest {
    /// Parses a digest.
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
    fn the_length_of_an_id_is_in_characters_not_bytes() {
        assert!(ProductId::parse("ü".repeat(128)).is_ok());
        assert_eq!(
            ProductId::parse("ü".repeat(129)),
            Err(InvalidId::TooLong(129))
        );
    }

    #[test]
    fn blank_ids_and_control_characters_are_refused() {
        assert_eq!(ProductId::parse(" \u{2003}"), Err(InvalidId::Blank));
        assert_eq!(ProductId::parse(""), Err(InvalidId::Blank));
        assert_eq!(ProductId::parse("a\0b"), Err(InvalidId::ControlCharacter));
        assert_eq!(
            ProductId::parse("a\u{85}b"),
            Err(InvalidId::ControlCharacter)
        );
    }

    #[test]
    fn parse_requires_a_canonical_product_id_and_parse_stored_does_not() {
        for (text, wrong) in [
            (" A", InvalidId::WhiteSpaceAtEnds),
            ("A ", InvalidId::WhiteSpaceAtEnds),
            ("A\u{a0}", InvalidId::WhiteSpaceAtEnds),
            ("\u{3000}A", InvalidId::WhiteSpaceAtEnds),
            ("\u{feff}A", InvalidId::Invisible('\u{feff}')),
            ("A\u{200b}", InvalidId::Invisible('\u{200b}')),
            ("A\u{200c}B", InvalidId::Invisible('\u{200c}')),
            ("A\u{200d}B", InvalidId::Invisible('\u{200d}')),
            ("A\u{2060}B", InvalidId::Invisible('\u{2060}')),
            ("A\u{202e}B", InvalidId::Invisible('\u{202e}')),
            ("A\u{ad}B", InvalidId::Invisible('\u{ad}')),
            ("A\u{fe0f}", InvalidId::Invisible('\u{fe0f}')),
            ("Cafe\u{301}", InvalidId::NotNormalized),
            ("\u{212b}", InvalidId::NotNormalized),
            ("\u{1100}\u{1161}", InvalidId::NotNormalized),
            ("a\u{304}\u{328}", InvalidId::NotNormalized),
        ] {
            assert_eq!(ProductId::parse(text), Err(wrong), "{text:?}");
            assert_eq!(ProductId::parse_stored(text).unwrap().as_str(), text);
        }
        for good in [
            "A",
            "A B",
            "Caf\u{e9}",
            "\u{e5}",
            "가",
            "日本語",
            "😀",
            "A\u{a0}B",
        ] {
            assert_eq!(ProductId::parse(good).unwrap().as_str(), good);
        }
        let error = ProductId::parse("A\u{200b}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "must not contain the invisible character U+200B"
        );
    }

    #[test]
    fn parse_stored_refuses_the_same_invalid_ids_as_parse() {
        for wrong in ["", " ", "a\0b", &"a".repeat(129)] {
            let parsed = ProductId::parse(wrong);
            assert!(parsed.is_err());
            assert_eq!(ProductId::parse_stored(wrong), parsed);
        }
    }

    #[test]
    fn derived_item_keys_are_distinct_and_cannot_be_sent_by_clients() {
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
    fn an_idempotency_key_is_visible_ascii() {
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
