//! Reading JSON whose members must have different names.
//!
//! `serde_json` keeps the last of two members with the same name, and vendors mean one or the other.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a value like [`Value`] does, and notes the first member name that an object in it has twice. Names are compared as
/// they are after unescaping. Reading continues, because a document that is not JSON further on is the greater fault.
pub(crate) struct UniqueMembers<'d> {
    duplicate: &'d mut Option<String>,
}

impl<'d> UniqueMembers<'d> {
    pub(crate) fn new(duplicate: &'d mut Option<String>) -> Self {
        Self { duplicate }
    }

    fn inner(&mut self) -> UniqueMembers<'_> {
        UniqueMembers {
            duplicate: self.duplicate,
        }
    }
}

impl<'de> DeserializeSeed<'de> for UniqueMembers<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner())? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                self.duplicate.get_or_insert_with(|| name.clone());
            }
            let value = members.next_value_seed(self.inner())?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(document: &str) -> (Value, Option<String>) {
        let mut duplicate = None;
        let mut deserializer = serde_json::Deserializer::from_str(document);
        let value = UniqueMembers::new(&mut duplicate)
            .deserialize(&mut deserializer)
            .unwrap();
        deserializer.end().unwrap();
        (value, duplicate)
    }

    #[test]
    fn the_first_duplicate_is_noted_at_any_depth() {
        for (document, expected) in [
            (r#"{"a":1,"b":1,"a":2}"#, Some("a")),
            (r#"{"p":1,"\u0070":2}"#, Some("p")),
            (r#"{"a":{"b":[{"c":1,"c":1}]},"a":1}"#, Some("c")),
            (r#"{"a":{"b":1},"b":{"a":1}}"#, None),
            (r#"[{"a":1},{"a":1}]"#, None),
            (r#"{"a":1,"A":1,"":1}"#, None),
        ] {
            assert_eq!(read(document).1.as_deref(), expected, "{document}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is read is what `serde_json` reads, and nothing is taken for a duplicate that is none.
        #[test]
        fn reads_what_serde_json_reads(value in json()) {
            let text = value.to_string();
            let expected: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(&text), (expected, None));
        }

        /// A member that is given once more is found, wherever it is and however it is escaped.
        #[test]
        fn finds_any_member_that_is_given_twice(name in "[a-zA-Z]{1,5}", first in json(), second in json()) {
            let escapes: Vec<String> = name.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect();
            let escaped = escapes.concat();
            let text = format!(r#"[{{"{name}":{first},"{escaped}":{second}}}]"#);
            prop_assert_eq!(read(&text).1, Some(name));
        }
    }
}
