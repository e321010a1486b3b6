//! Deserialization of the value at a JSON pointer without keeping the rest of the document: the library for pointers resolves
//! them in a document that is held as a tree.

use std::fmt;

use jsonptr::Pointer;
use jsonptr::index::Index;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Returns a pointer as the subject of an error message.
pub(crate) fn shown(pointer: &Pointer) -> &str {
    match pointer.as_str() {
        "" => "the document",
        text => text,
    }
}

/// Descends into a document along a pointer, and skips all other values. The value is `None` if the document has none there.
pub(crate) struct AtPointer<'p, S> {
    pub(crate) pointer: &'p Pointer,
    pub(crate) seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for AtPointer<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.pointer.is_root() {
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
        let Some((wanted, pointer)) = self.pointer.split_front() else {
            return Ok(None);
        };
        let wanted = wanted.decoded();
        let mut seed = Some(self.seed);
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Some(seed) = seed.take() else {
                // It is not known which of the two values is right.
                return Err(A::Error::custom("duplicate member in its path"));
            };
            found = map.next_value_seed(AtPointer { pointer, seed })?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        if let Some((wanted, pointer)) = self.pointer.split_front()
            && let Ok(Index::Num(wanted)) = wanted.to_index()
        {
            for _ in 0..wanted {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let seed = self.seed;
            found = items
                .next_element_seed(AtPointer { pointer, seed })?
                .flatten();
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

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use serde_json::Value;

    use super::*;

    fn read(document: &str, pointer: &str) -> Option<Value> {
        let pointer = Pointer::parse(pointer).unwrap();
        let mut deserializer = serde_json::Deserializer::from_str(document);
        let seed = AtPointer {
            pointer,
            seed: PhantomData::<Value>,
        };
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
}
