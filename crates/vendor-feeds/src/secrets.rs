//! Removes secrets from messages: a vendor may repeat a credential in the response that a message quotes.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use domain::ports::{FeedError, MalformedReport};
use domain::refusal::{Refusal, Refusals};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;

/// The text that a secret is replaced by.
const REPLACEMENT: &str = "[secret]";
/// Length below which a secret is not recognized in a text, in bytes.
const MIN_LENGTH: usize = 4;
/// The mark at the end of an excerpt.
const CUT: char = '…';

/// The secrets of one source.
#[derive(Default)]
pub(crate) struct Secrets {
    fixed: Vec<SecretString>,
    /// The current token and the one before.
    tokens: Mutex<Vec<SecretString>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Adds a secret, in each form in which it is sent.
    pub(crate) fn add(&mut self, secret: &str) {
        self.fixed.extend(forms(secret));
    }

    /// Adds a token. The last two are kept: a response that was sent for the one before may still be read.
    pub(crate) fn add_token(&self, token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(0, SecretString::from(token));
        tokens.truncate(2);
    }

    /// Replaces the secrets in a text, also one that is cut at the end of an excerpt.
    pub(crate) fn redact(&self, text: &str) -> String {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = tokens.iter().flat_map(|token| forms(token.expose_secret()));
        let mut text = text.to_owned();
        for secret in self.fixed.iter().cloned().chain(tokens) {
            let secret = secret.expose_secret();
            text = text.replace(secret, REPLACEMENT);
            text = without_cut(&text, secret);
        }
        text
    }

    /// As [`redact`](Self::redact), of an error.
    pub(crate) fn redact_error(&self, error: FeedError) -> FeedError {
        match error {
            FeedError::Unavailable(text) => FeedError::Unavailable(self.redact(&text)),
            FeedError::Malformed(malformed) => FeedError::Malformed(MalformedReport {
                problem: self.redact(&malformed.problem),
                refused: self.redact_refused(&malformed.refused),
                ..malformed
            }),
            FeedError::NotReady(text) => FeedError::NotReady(self.redact(&text)),
            FeedError::OfFile { modified, error } => FeedError::OfFile {
                modified,
                error: Box::new(self.redact_error(*error)),
            },
            FeedError::RetryLater {
                reason,
                retry_after,
            } => FeedError::RetryLater {
                reason: self.redact(&reason),
                retry_after,
            },
        }
    }

    /// As [`redact`](Self::redact), of refused records.
    pub(crate) fn redact_refused(&self, refused: &Refusals) -> Refusals {
        let kept = refused.kept().iter().map(|refusal| Refusal {
            place: refusal.place.clone(),
            column: refusal.column.clone(),
            value: refusal.value.as_deref().map(|value| self.redact(value)),
            rule: self.redact(&refusal.rule),
        });
        Refusals::from_stored(kept.collect(), refused.count())
    }
}

/// The forms in which a secret may be quoted: as it is, in a query, in JSON, and escaped for a message.
fn forms(secret: &str) -> impl Iterator<Item = SecretString> {
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let debug = format!("{secret:?}");
    let debug = debug.trim_matches('"').to_owned();
    let mut forms = vec![secret.to_owned(), encoded, debug];
    forms.dedup();
    forms.retain(|form| form.len() >= MIN_LENGTH);
    forms.into_iter().map(SecretString::from)
}

/// Replaces a beginning of the secret where the text was cut.
fn without_cut(text: &str, secret: &str) -> String {
    let mut parts = text.split(CUT).peekable();
    let mut result = String::new();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            result.push_str(part);
            break;
        }
        let lengths = secret.char_indices().map(|(at, _)| at).rev();
        let cut = lengths
            .filter(|&length| length >= MIN_LENGTH)
            .find_map(|length| part.strip_suffix(&secret[..length]));
        match cut {
            Some(before) => {
                result.push_str(before);
                result.push_str(REPLACEMENT);
            }
            None => result.push_str(part),
        }
        result.push(CUT);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_replaced_in_each_form() {
        let mut secrets = Secrets::default();
        secrets.add("pa ss/wörd\"1");
        secrets.add_token("tok-1234");
        for (text, expected) in [
            ("x pa ss/wörd\"1 y", "x [secret] y"),
            ("?key=pa+ss%2Fw%C3%B6rd%221&a=b", "?key=[secret]&a=b"),
            ("{\"key\":\"pa ss/wörd\\\"1\"}", "{\"key\":\"[secret]\"}"),
            ("token tok-1234tok-1234", "token [secret][secret]"),
            (
                "it begins with tok-1…; more",
                "it begins with [secret]…; more",
            ),
            ("pa ss…", "[secret]…"),
            ("tok…", "tok…"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.redact(text), expected);
        }
        for token in ["next-token", "last-token"] {
            secrets.add_token(token);
        }
        assert_eq!(secrets.redact("tok-1234 next-token"), "tok-1234 [secret]");
        assert_eq!(format!("{secrets:?}"), "Secrets");
    }

    #[test]
    fn empty_secret_changes_nothing() {
        let mut secrets = Secrets::default();
        secrets.add("");
        assert_eq!(secrets.redact("a…b"), "a…b");
    }
}
