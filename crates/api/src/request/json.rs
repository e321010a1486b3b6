//! A JSON object whose members are looked at one by one, as text.
//!
//! Reading straight into a structure would stop at the first wrong member and pass numbers through floating point,
//! where `3.0` and `3` or two long integers are the same. Here each member keeps the text it was sent as.
//!
//! A body is malformed (400) if it is not JSON in UTF-8, nests absurdly deep, or names a member twice: then nobody can
//! tell which of the two is meant, and no JSON pointer could say which is wrong (RFC 8259 leaves it open, RFC 7493
//! forbids it). Everything else is a matter of validation (422).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::{FieldError, Problem};

/// Deepest nesting of a body; what is deeper is no honest request.
const MAX_DEPTH: usize = 128;

/// The members of the object that a body is. What is not taken is unknown.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads a body.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        let document: &RawValue = serde_json::from_slice(body).map_err(|wrong| not_json(&wrong))?;
        if nests_too_deep(document.get()) {
            return Err(Problem::malformed(format!(
                "the body nests deeper than {MAX_DEPTH} levels"
            )));
        }
        if !document.get().starts_with('{') {
            return Err(Problem::invalid(vec![FieldError::of_document(
                "must be a JSON object",
            )]));
        }
        serde_json::from_str(document.get()).map_err(|wrong| not_json(&wrong))
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Scalar<'a>> {
        Some(Scalar::read(self.take_raw(name)?.get()))
    }

    /// Takes a member out as it was sent.
    pub(crate) fn take_raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Complains about each member that was not taken.
    pub(crate) fn refuse_rest(self, errors: &mut Vec<FieldError>) {
        let unknown = self.0.into_iter();
        errors
            .extend(unknown.map(|(name, _)| FieldError::of_member(&name, "is not a known member")));
    }
}

fn not_json(wrong: &serde_json::Error) -> Problem {
    Problem::malformed(format!("the body cannot be read as JSON in UTF-8: {wrong}"))
}

/// Whether valid JSON nests deeper than is allowed.
fn nests_too_deep(json: &str) -> bool {
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
                            "the member {name:?} is there twice"
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

/// What a member holds, as far as any request has use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// A text.
    Text(String),
    /// A number without fraction and exponent, as sent.
    Integer(&'a str),
    /// A text with an escape that stands for no character: half of a surrogate pair.
    BrokenText,
    /// Anything else: a fraction, a literal, an array, an object.
    Other,
}

impl<'a> Scalar<'a> {
    fn read(json: &'a str) -> Self {
        if json.starts_with('"') {
            return serde_json::from_str(json).map_or(Self::BrokenText, Self::Text);
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
    fn members_keep_the_text_they_were_sent_as() {
        let body = br#" {"a": "x\u00fc", "b": -70000000000000000000000, "c": 3.0, "d": 1e2, "e": "\ud800", "f": [1]} "#;
        let mut members = Members::parse(body).unwrap();
        assert_eq!(members.take("a"), Some(Scalar::Text("xü".to_owned())));
        assert_eq!(
            members.take("b"),
            Some(Scalar::Integer("-70000000000000000000000"))
        );
        assert_eq!(members.take("c"), Some(Scalar::Other));
        assert_eq!(members.take("d"), Some(Scalar::Other));
        assert_eq!(members.take("e"), Some(Scalar::BrokenText));
        assert_eq!(members.take("missing"), None);
        let mut errors = Vec::new();
        members.refuse_rest(&mut errors);
        assert_eq!(
            errors,
            vec![FieldError::of_member("f", "is not a known member")]
        );
    }

    #[test]
    fn what_is_not_json_is_malformed() {
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
    fn brackets_in_a_text_do_not_nest() {
        let body = format!(r#"{{"a": "\"{}"}}"#, "[".repeat(200));
        assert_eq!(kind_of(body.as_bytes()), None);
    }

    #[test]
    fn what_is_no_object_is_invalid() {
        for body in [&b"[]"[..], b"1", b"null", b"\"{}\"", b"[[[]]]"] {
            assert_eq!(
                kind_of(body),
                Some(ProblemKind::ValidationFailed),
                "{body:?}"
            );
        }
    }
}
