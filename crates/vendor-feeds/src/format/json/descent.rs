//! Descends to the items of a document, and to the values outside of them that the settings name.

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::items::{Items, Run};
use super::visit::{Containers, Name, visit};
use super::{AsOfPlace, Json, Slot, array_index};

/// A value to descend to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Items,
    AsOf,
    /// The page field with this index.
    Page(usize),
}

/// A target, and the segments that lead from the current value to it.
type Way<'r> = (Target, &'r [String]);

/// Descends to the targets that are inside a value. No target is inside another one.
pub(super) struct Descent<'s, 'r> {
    run: &'s mut Run<'r>,
    ways: Vec<Way<'r>>,
}

impl<'s, 'r> Descent<'s, 'r> {
    pub(super) fn new(run: &'s mut Run<'r>, json: &'r Json) -> Self {
        let mut ways = vec![(Target::Items, json.items.as_slice())];
        if let Some(AsOfPlace::Outside(segments)) = json.as_of.as_ref().map(|as_of| &as_of.place) {
            ways.push((Target::AsOf, segments));
        }
        let page_fields = json.page_fields.iter().enumerate();
        ways.extend(page_fields.map(|(at, (_, segments))| (Target::Page(at), segments.as_slice())));
        Self { run, ways }
    }

    /// The descent into a member or an element, if a target is inside it.
    fn into_child<'c>(
        run: &'c mut Run<'r>,
        ways: &[Way<'r>],
        is_name: impl Fn(&str) -> bool,
    ) -> Option<Descent<'c, 'r>> {
        let inside = ways.iter().filter_map(|(target, segments)| {
            let (first, rest) = segments.split_first()?;
            is_name(first).then_some((*target, rest))
        });
        let ways: Vec<Way<'r>> = inside.collect();
        (!ways.is_empty()).then_some(Descent { run, ways })
    }
}

impl<'de> DeserializeSeed<'de> for Descent<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { run, ways } = &self;
        run.fence.renew();
        let reached = ways.iter().find(|(_, segments)| segments.is_empty());
        let slot = match reached.map(|(target, _)| *target) {
            None => return visit(deserializer, self),
            Some(Target::Items) => {
                self.run.has_items = true;
                return visit(deserializer, Items { run: self.run });
            }
            Some(Target::AsOf) => &mut self.run.as_of,
            Some(Target::Page(at)) => &mut self.run.page_values[at],
        };
        *slot = Slot::Raw(Box::<RawValue>::deserialize(deserializer)?);
        self.run.fence.renew();
        Ok(())
    }
}

impl<'de> Containers<'de> for Descent<'_, '_> {
    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { run, ways } = self;
        let mut wanted: Vec<&str> = Vec::new();
        for (_, segments) in &ways {
            let first = segments.first().map_or("", String::as_str);
            if !wanted.contains(&first) {
                wanted.push(first);
            }
        }
        let mut seen = vec![false; wanted.len()];
        let at = |name: &[u8]| wanted.iter().position(|wanted| wanted.as_bytes() == name);
        while let Some(found) = members.next_key_seed(Name::new(at))? {
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
            let child = Self::into_child(run, &ways, |segment| segment == name);
            match child {
                Some(child) => members.next_value_seed(child)?,
                None => members.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { run, ways } = self;
        for index in 0.. {
            let is_index = |segment: &str| array_index(segment) == Some(index);
            let found = match Self::into_child(run, &ways, is_index) {
                Some(child) => elements.next_element_seed(child)?,
                None => elements.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if found.is_none() {
                break;
            }
        }
        Ok(())
    }
}
