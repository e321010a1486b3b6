//! JSON pointers (RFC 6901), and deserialization of the value at a pointer without keeping the rest of the document.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A well-formed JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPointer {
    text: String,
    segments: Vec<String>,
}

impl JsonPointer {
    /// Parses a pointer: empty, or segments that each begin with `/`, with `~` only as `~0` or `~1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut segments = text.split('/');
        if segments.next() != Some("") {
            return None;
        }
        let segments = segments.map(unescape).collect::<Option<_>>()?;
        Some(Self {
            text: text.to_owned(),
            segments,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns a seed that deserializes the value at this pointer with `seed`, or `None` if the document has no such value.
    pub(crate) fn seed<S>(&self, seed: S) -> AtPointer<'_, S> {
        AtPointer {
            segments: &self.segments,
            seed,
        }
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.as_str() {
            "" => f.write_str("the document"),
            text => f.write_str(text),
        }
    }
}

fn unescape(segment: &str) -> Option<String> {
    let mut parts = segment.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (char, rest) = match part.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        text.push(char);
        text.push_str(rest);
    }
    Some(text)
}

/// Descends into a document along a pointer, and skips all other values.
pub(crate) struct AtPointer<'p, S> {
    segments: &'p [String],
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for AtPointer<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.segments.is_empty() {
            self.seed.deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for AtPointer<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((wanted, rest)) = self.segments.split_first() else {
            return Ok(None);
        };
        let mut seed = Some(self.seed);
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != *wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Some(seed) = seed.take() else {
                // It is not known which of the two values is right.
                return Err(A::Error::custom("duplicate member in its path"));
            };
            found = map.next_value_seed(AtPointer {
                segments: rest,
                seed,
            })?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (wanted, rest) = match self.segments.split_first() {
            Some((segment, rest)) => (array_index(segment), rest),
            None => (None, self.segments),
        };
        let mut found = None;
        if let Some(wanted) = wanted {
            for _ in 0..wanted {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let seed = AtPointer {
                segments: rest,
                seed: self.seed,
            };
            found = items.next_element_seed(seed)?.flatten();
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Parses an array index (RFC 6901): digits without a leading zero.
fn array_index(segment: &str) -> Option<usize> {
    let is_number = segment.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = segment.len() > 1 && segment.starts_with('0');
    segment
        .parse()
        .ok()
        .filter(|_| is_number && !has_leading_zero)
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use serde_json::Value;

    use super::*;

    fn read(document: &str, pointer: &str) -> Option<Value> {
        let pointer = JsonPointer::parse(pointer).unwrap();
        let mut deserializer = serde_json::Deserializer::from_str(document);
        let seed = pointer.seed(PhantomData::<Value>);
        let found = seed.deserialize(&mut deserializer).unwrap();
        deserializer.end().unwrap();
        found
    }

    #[test]
    fn value_equals_that_of_serde_json() {
        let document =
            r#"{"a": {"b/c": [10, {"~": null}, 12]}, "": true, "s": "text", "00": 1, "n": -1.5}"#;
        let whole: Value = serde_json::from_str(document).unwrap();
        for pointer in [
            "",
            "/",
            "/a",
            "/a/b~1c",
            "/a/b~1c/0",
            "/a/b~1c/1/~0",
            "/a/b~1c/2",
            "/a/b~1c/3",
            "/a/b~1c/00",
            "/a/b~1c/-",
            "/a/b~1c/+1",
            "/00",
            "/s/0",
            "/x",
            "/n/x",
            "//x",
            "/a/b~1c/1/~0/x",
        ] {
            assert_eq!(
                read(document, pointer).as_ref(),
                whole.pointer(pointer),
                "{pointer}"
            );
        }
    }

    #[test]
    fn malformed_pointers_are_rejected() {
        for invalid in ["a", "a/b", "/~", "/~2", "/a~", " /a"] {
            assert_eq!(JsonPointer::parse(invalid), None, "{invalid}");
        }
    }
}
