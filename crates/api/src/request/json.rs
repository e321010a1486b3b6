//! A JSON object whose members are parsed one by one from their text.
//!
//! Deserializing into a struct would stop at the first invalid member, and would convert numbers to floating point, where
//! `3.0` and `3`, or two long integers, are equal. Here each member keeps the text that was sent.
//!
//! A body is malformed (400) if it is not JSON in UTF-8, is nested too deeply, or repeats a member: a repeated member is
//! ambiguous, and no JSON pointer can identify it (undefined by RFC 8259, forbidden by RFC 7493). All other errors are
//! validation errors (422).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::{FieldError, Problem};

/// Maximum nesting depth of a body.
const MAX_DEPTH: usize = 128;

/// The members of a body. Members that are not taken are unknown.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Parses a body.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        let document: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        if is_nested_too_deeply(document.get()) {
            return Err(Problem::malformed(format!(
                "the body is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        if !document.get().starts_with('{') {
            return Err(Problem::invalid(vec![FieldError::of_document(
                "must be a JSON object",
            )]));
        }
        serde_json::from_str(document.get()).map_err(|error| not_json(&error))
    }

    /// Removes a member and returns its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<Scalar<'a>> {
        Some(Scalar::read(self.take_raw(name)?.get()))
    }

    /// Removes a member and returns its text.
    pub(crate) fn take_raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Adds an error for each member that was not taken.
    pub(crate) fn refuse_rest(self, errors: &mut Vec<FieldError>) {
        let unknown = self.0.into_iter();
        errors
            .extend(unknown.map(|(name, _)| FieldError::of_member(&name, "is an unknown member")));
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!("the body is not JSON in UTF-8: {error}"))
}

/// Whether valid JSON is nested deeper than `MAX_DEPTH`.
fn is_nested_too_deeply(json: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut names = std::collections::HashSet::new();
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!(
                            "the member {name:?} is repeated"
                        )));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The value of a member, in the types that requests use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// A string.
    Text(String),
    /// A number without fraction and exponent, as sent.
    Integer(&'a str),
    /// A string with an unpaired surrogate.
    InvalidText,
    /// Any other value: a number with a fraction or exponent, a literal, an array or an object.
    Other,
}

impl<'a> Scalar<'a> {
    fn read(json: &'a str) -> Self {
        if json.starts_with('"') {
            return serde_json::from_str(json).map_or(Self::InvalidText, Self::Text);
        }
        let digits = json.strip_prefix('-').unwrap_or(json);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Integer(json);
        }
        Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    fn kind_of(body: &[u8]) -> Option<ProblemKind> {
        Members::parse(body).err().map(|problem| problem.kind())
    }

    #[test]
    fn members_keep_the_text_that_was_sent() {
        let body = br#" {"a": "x\u00fc", "b": -70000000000000000000000, "c": 3.0, "d": 1e2, "e": "\ud800", "f": [1]} "#;
        let mut members = Members::parse(body).unwrap();
        assert_eq!(members.take("a"), Some(Scalar::Text("xü".to_owned())));
        assert_eq!(
            members.take("b"),
            Some(Scalar::Integer("-70000000000000000000000"))
        );
        assert_eq!(members.take("c"), Some(Scalar::Other));
        assert_eq!(members.take("d"), Some(Scalar::Other));
        assert_eq!(members.take("e"), Some(Scalar::InvalidText));
        assert_eq!(members.take("missing"), None);
        let mut errors = Vec::new();
        members.refuse_rest(&mut errors);
        assert_eq!(
            errors,
            vec![FieldError::of_member("f", "is an unknown member")]
        );
    }

    #[test]
    fn invalid_json_is_malformed() {
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        let twice = br#"{"a": 1, "\u0061": 1}"#;
        for body in [
            &b"{"[..],
            b"",
            b"{\"a\": 01}",
            b"{} {}",
            b"{\"a\": \"\xff\"}",
            deep.as_bytes(),
            twice,
        ] {
            assert_eq!(
                kind_of(body),
                Some(ProblemKind::MalformedRequest),
                "{body:?}"
            );
        }
    }

    #[test]
    fn brackets_in_a_string_do_not_count_as_nesting() {
        let body = format!(r#"{{"a": "\"{}"}}"#, "[".repeat(200));
        assert_eq!(kind_of(body.as_bytes()), None);
    }

    #[test]
    fn json_other_than_an_object_is_invalid() {
        for body in [&b"[]"[..], b"1", b"null", b"\"{}\"", b"[[[]]]"] {
            assert_eq!(
                kind_of(body),
                Some(ProblemKind::ValidationFailed),
                "{body:?}"
            );
        }
    }
}
