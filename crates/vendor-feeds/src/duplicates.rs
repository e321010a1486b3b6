//! Detects duplicate members in JSON objects.
//!
//! `serde_json` keeps the last of two members with the same name, but a vendor may mean either.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deserializes a [`Value`] and records the name of the first duplicate member of any object in it. Names are compared
/// unescaped. Deserialization continues, because invalid JSON later in the document takes precedence.
pub(crate) struct UniqueMembers<'d> {
    duplicate: &'d mut Option<String>,
}

impl<'d> UniqueMembers<'d> {
    pub(crate) fn new(duplicate: &'d mut Option<String>) -> Self {
        Self { duplicate }
    }

    fn reborrow(&mut self) -> UniqueMembers<'_> {
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
        while let Some(item) = items.next_element_seed(self.reborrow())? {
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
            let value = members.next_value_seed(self.reborrow())?;
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
    fn first_duplicate_is_recorded_at_any_depth() {
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
        /// The value equals the value of `serde_json`, and there are no false duplicates.
        #[test]
        fn value_equals_that_of_serde_json(value in json()) {
            let text = value.to_string();
            let expected: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(&text), (expected, None));
        }

        /// A duplicate is found also if one of the names is escaped.
        #[test]
        fn duplicate_member_is_found_in_any_spelling(name in "[a-zA-Z]{1,5}", first in json(), second in json()) {
            let escapes: Vec<String> = name.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect();
            let escaped = escapes.concat();
            let text = format!(r#"[{{"{name}":{first},"{escaped}":{second}}}]"#);
            prop_assert_eq!(read(&text).1, Some(name));
        }
    }
}
