//! Descends to the items and the as-of of a document, and passes the items on one by one.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields::{Fields, Key};
use super::{AsOfPlace, Fence, ItemFields, Json, Slot, Slots, array_index};
use crate::options::JsonItems;
use crate::record::{Place, RecordSink, Unit, Value};

/// The state while one document is read.
pub(super) struct Run<'r> {
    json: &'r Json,
    records: &'r mut dyn RecordSink,
    fence: Fence,
    slots: Slots,
    number: u64,
    pub(super) as_of: Slot,
    /// Whether the items were found.
    pub(super) has_items: bool,
    /// Whether `records` takes no more.
    pub(super) is_stopped: bool,
    /// Why the values at the paths are not as the options state.
    pub(super) problem: Option<String>,
}

impl<'r> Run<'r> {
    pub(super) fn new(json: &'r Json, records: &'r mut dyn RecordSink, fence: Fence) -> Self {
        let all = match &json.as_of {
            Some(as_of) => match &as_of.place {
                AsOfPlace::InItem(_, fields) => fields,
                AsOfPlace::Outside(_) => &json.item,
            },
            None => &json.item,
        };
        Self {
            json,
            records,
            fence,
            slots: all.empty_slots(),
            number: 0,
            as_of: Slot::Missing,
            has_items: false,
            is_stopped: false,
            problem: None,
        }
    }

    /// The fields of the item of this name, or index, and whether the as-of is in it.
    fn fields_of(&self, is_name: impl Fn(&str) -> bool) -> (&'r ItemFields, bool) {
        match self.json.as_of.as_ref().map(|as_of| &as_of.place) {
            Some(AsOfPlace::InItem(name, fields)) if is_name(name) => (fields, true),
            _ => (&self.json.item, false),
        }
    }

    /// Passes an item on that was read into the slots.
    fn pass<E: Error>(&mut self, name: Option<Value<'_>>, has_as_of: bool) -> Result<(), E> {
        self.number += 1;
        self.fence.renew();
        if let (true, Some(slot)) = (has_as_of, self.slots.0.last_mut()) {
            self.as_of = std::mem::take(slot);
        }
        let place = Place {
            unit: Unit::Item,
            number: self.number,
        };
        let quantities = self.json.item.quantities();
        let flow = self.slots.pass_to(self.records, place, name, quantities);
        if flow.is_break() {
            self.is_stopped = true;
            return Err(E::custom("stopped"));
        }
        Ok(())
    }

    fn refuse<E: Error>(&mut self, problem: String) -> E {
        self.problem = Some(problem);
        E::custom("refused")
    }
}

/// Descends to the items and to the as-of; either is `None` if it is not inside this value.
pub(super) struct Descent<'s, 'r> {
    run: &'s mut Run<'r>,
    items: Option<&'r [String]>,
    as_of: Option<&'r [String]>,
}

impl<'s, 'r> Descent<'s, 'r> {
    pub(super) fn new(run: &'s mut Run<'r>, json: &'r Json) -> Self {
        let as_of = match json.as_of.as_ref().map(|as_of| &as_of.place) {
            Some(AsOfPlace::Outside(segments)) => Some(segments.as_slice()),
            _ => None,
        };
        Self {
            run,
            items: Some(&json.items),
            as_of,
        }
    }

    /// The descent into a member or an element, if something is inside it.
    fn into_child<'c>(
        run: &'c mut Run<'r>,
        (items, as_of): (Option<&'r [String]>, Option<&'r [String]>),
        is_name: impl Fn(&str) -> bool,
    ) -> Option<Descent<'c, 'r>> {
        let rest = |segments: Option<&'r [String]>| {
            let (first, rest) = segments?.split_first()?;
            is_name(first).then_some(rest)
        };
        let (items, as_of) = (rest(items), rest(as_of));
        (items.is_some() || as_of.is_some()).then_some(Descent { run, items, as_of })
    }
}

impl<'de> DeserializeSeed<'de> for Descent<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.run.fence.renew();
        if self.items.is_some_and(<[String]>::is_empty) {
            self.run.has_items = true;
            return deserializer.deserialize_any(Items { run: self.run });
        }
        if self.as_of.is_some_and(<[String]>::is_empty) {
            self.run.as_of = Slot::Raw(Box::<RawValue>::deserialize(deserializer)?);
            self.run.fence.renew();
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { run, items, as_of } = self;
        let mut wanted: Vec<&str> = Vec::new();
        for segments in [items, as_of].into_iter().flatten() {
            let first = segments.first().map_or("", String::as_str);
            if !wanted.contains(&first) {
                wanted.push(first);
            }
        }
        let mut seen = [false; 2];
        while let Some(found) = members.next_key_seed(Key(wanted.iter().copied()))? {
            let Some(at) = found else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = wanted[at];
            if std::mem::replace(&mut seen[at], true) {
                // It is not known which of the two values is right.
                let name = crate::excerpt::excerpt(name);
                return Err(run.refuse(format!("two members are named {name}")));
            }
            let child = Self::into_child(run, (items, as_of), |segment| segment == name);
            match child {
                Some(child) => members.next_value_seed(child)?,
                None => members.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { run, items, as_of } = self;
        for index in 0.. {
            let is_index = |segment: &str| array_index(segment) == Some(index);
            let found = match Self::into_child(run, (items, as_of), is_index) {
                Some(child) => elements.next_element_seed(child)?,
                None => elements.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if found.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The description of the expected items, for messages.
pub(super) fn expected(items_are: JsonItems) -> &'static str {
    match items_are {
        JsonItems::List => "a list",
        JsonItems::Values | JsonItems::Map | JsonItems::Single => "an object",
    }
}

struct Items<'s, 'r> {
    run: &'s mut Run<'r>,
}

impl Items<'_, '_> {
    fn refuse<E: Error>(self, found: &str) -> E {
        let Json {
            items_are,
            items_name,
            ..
        } = self.run.json;
        let hint = match (items_are, found) {
            (JsonItems::List, "an object") => {
                " (format.single = true reads it as one item, format.items_are = \"values\" reads its values as items)"
            }
            (JsonItems::Values | JsonItems::Map, "a list") => {
                " (without format.items_are a list is read)"
            }
            (JsonItems::Single, "a list") => " (without format.single a list is read)",
            _ => "",
        };
        let expected = expected(*items_are);
        let problem = format!("{items_name} is {found}, expected {expected}{hint}");
        self.run.refuse(problem)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.run.json.items_are))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.run.json.items_are != JsonItems::List {
            return Err(self.refuse("a list"));
        }
        let run = self.run;
        for index in 0.. {
            let (fields, has_as_of) = run.fields_of(|name| array_index(name) == Some(index));
            if items
                .next_element_seed(fields.seed(&mut run.slots))?
                .is_none()
            {
                break;
            }
            run.pass(None, has_as_of)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let run = self.run;
        match run.json.items_are {
            JsonItems::List => Err(Items { run }.refuse("an object")),
            JsonItems::Single => {
                let (fields, has_as_of) = run.fields_of(|_| true);
                let seed: Fields<'_, '_> = fields.seed(&mut run.slots);
                seed.visit_map(members)?;
                run.pass(None, has_as_of)
            }
            JsonItems::Values | JsonItems::Map => {
                while let Some(name) = members.next_key_seed(Name)? {
                    let is_name = |wanted: &str| wanted.as_bytes() == name;
                    let (fields, has_as_of) = run.fields_of(is_name);
                    members.next_value_seed(fields.seed(&mut run.slots))?;
                    let is_map = run.json.items_are == JsonItems::Map;
                    run.pass(is_map.then(|| product_id(&name)), has_as_of)?;
                }
                Ok(())
            }
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        Err(self.refuse(if value { "true" } else { "false" }))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(self.refuse("a string"))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.refuse("null"))
    }
}

/// Reads the name of a member, which need not be valid Unicode.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Vec<u8>, E> {
        Ok(name.to_vec())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Vec<u8>, E> {
        self.visit_bytes(name.as_bytes())
    }
}

fn product_id(name: &[u8]) -> Value<'_> {
    match std::str::from_utf8(name) {
        Ok(name) => Value::Text(name.into()),
        // Half a surrogate pair.
        Err(_) => Value::Other(String::from_utf8_lossy(name)),
    }
}
