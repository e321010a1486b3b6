//! Reads the referenced values of a JSON value and skips all others, whatever they are: half a surrogate pair or `1e999` in a
//! field that no setting names is not a problem.

use std::borrow::Cow;

use jsonptr::Pointer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::literal;
use super::visit::{Containers, Name, visit};
use crate::record::Value;

/// The segments of a JSON pointer (RFC 6901), unescaped.
pub(super) type Segments = Vec<String>;

/// Parses a pointer. `setting` is its name in the error.
pub(super) fn parse_pointer(setting: &str, text: &str) -> Result<Segments, String> {
    let pointer = Pointer::parse(text)
        .map_err(|_| format!("{setting} is {text:?}, which is not a JSON pointer"))?;
    Ok(pointer
        .tokens()
        .map(|token| token.decoded().into_owned())
        .collect())
}

/// Parses a segment as an array index: digits without a leading zero.
pub(super) fn array_index(segment: &str) -> Option<usize> {
    let is_number = segment.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = segment.len() > 1 && segment.starts_with('0');
    segment
        .parse()
        .ok()
        .filter(|_| is_number && !has_leading_zero)
}

/// A referenced value of an item.
#[derive(Debug, Default)]
pub(super) enum Slot {
    #[default]
    Missing,
    /// The value as it is written.
    Raw(Box<RawValue>),
    /// Two members have the name: it is not known which of the two values is right.
    Twice,
}

impl Slot {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Raw(raw) => literal::value(raw.get()),
            Self::Twice => Value::Other(Cow::Borrowed("present twice")),
        }
    }
}

/// Tree of the pointers to the referenced values.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    /// The slots of the value itself; only without children.
    slots: Vec<usize>,
    children: Vec<Child>,
}

#[derive(Debug, Clone)]
struct Child {
    name: String,
    /// The name as an array index.
    index: Option<usize>,
    paths: Paths,
}

impl Paths {
    /// Adds the path to the value of `slot`. The error is that another value is inside this one, or contains it.
    pub(super) fn insert(&mut self, segments: &[String], slot: usize) -> Result<(), String> {
        let conflict = || "one field contains another".to_owned();
        let Some((name, rest)) = segments.split_first() else {
            self.slots.push(slot);
            return self.children.is_empty().then_some(()).ok_or_else(conflict);
        };
        if !self.slots.is_empty() {
            return Err(conflict());
        }
        let at = self.children.iter().position(|child| child.name == *name);
        let at = at.unwrap_or_else(|| {
            self.children.push(Child {
                name: name.clone(),
                index: array_index(name),
                paths: Self::default(),
            });
            self.children.len() - 1
        });
        self.children[at].paths.insert(rest, slot)
    }

    fn mark_twice(&self, slots: &mut [Slot]) {
        for slot in &self.slots {
            slots[*slot] = Slot::Twice;
        }
        for child in &self.children {
            child.paths.mark_twice(slots);
        }
    }
}

/// Reads the values at the paths into the slots.
pub(super) struct Fields<'p, 's> {
    pub(super) paths: &'p Paths,
    pub(super) slots: &'s mut [Slot],
}

impl<'de> DeserializeSeed<'de> for Fields<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some((last, others)) = self.paths.slots.split_last() else {
            return visit(deserializer, self);
        };
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        for slot in others {
            self.slots[*slot] = Slot::Raw(raw.clone());
        }
        self.slots[*last] = Slot::Raw(raw);
        Ok(())
    }
}

impl<'de> Containers<'de> for Fields<'_, '_> {
    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { paths, slots } = self;
        let mut seen = vec![false; paths.children.len()];
        let child = |name: &[u8]| {
            let mut children = paths.children.iter();
            children.position(|child| child.name.as_bytes() == name)
        };
        while let Some(found) = members.next_key_seed(Name::new(child))? {
            let Some(at) = found else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let paths = &paths.children[at].paths;
            if std::mem::replace(&mut seen[at], true) {
                paths.mark_twice(slots);
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(Fields { paths, slots })?;
            }
        }
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { paths, slots } = self;
        for index in 0.. {
            let mut children = paths.children.iter();
            let child = children.find(|child| child.index == Some(index));
            let found = match child.map(|child| &child.paths) {
                Some(paths) => items.next_element_seed(Fields { paths, slots })?,
                None => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if found.is_none() {
                break;
            }
        }
        Ok(())
    }
}
