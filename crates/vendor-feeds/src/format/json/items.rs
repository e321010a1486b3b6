//! Passes the items of a document on one by one.

use serde::de::{Error, MapAccess, SeqAccess};

use super::fields::Fields;
use super::visit::{Containers, Name};
use super::{AsOfPlace, Fence, ItemFields, Json, Slot, Slots, array_index};
use crate::options::JsonItems;
use crate::record::{Place, RecordSink, Unit, Value};

/// The state while one document is read.
pub(super) struct Run<'r> {
    json: &'r Json,
    records: &'r mut dyn RecordSink,
    pub(super) fence: Fence,
    slots: Slots,
    number: u64,
    pub(super) as_of: Slot,
    /// The values of the page fields, in their order.
    pub(super) page_values: Vec<Slot>,
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
            page_values: json.page_fields.iter().map(|_| Slot::Missing).collect(),
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

    /// Passes on what the document states about its pages.
    pub(super) fn pass_page_fields(&mut self) {
        for ((field, _), slot) in self.json.page_fields.iter().zip(&self.page_values) {
            self.records.state(*field, slot.value());
        }
    }

    pub(super) fn refuse<E: Error>(&mut self, problem: String) -> E {
        self.problem = Some(problem);
        E::custom("refused")
    }
}

/// The description of the expected items, for messages.
pub(super) fn expected(items_are: JsonItems) -> &'static str {
    match items_are {
        JsonItems::List => "a list",
        JsonItems::Values | JsonItems::Map | JsonItems::Single => "an object",
    }
}

pub(super) struct Items<'s, 'r> {
    pub(super) run: &'s mut Run<'r>,
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

impl<'de> Containers<'de> for Items<'_, '_> {
    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
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

    fn object<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let run = self.run;
        match run.json.items_are {
            JsonItems::List => Err(Items { run }.refuse("an object")),
            JsonItems::Single => {
                let (fields, has_as_of) = run.fields_of(|_| true);
                let seed: Fields<'_, '_> = fields.seed(&mut run.slots);
                seed.object(members)?;
                run.pass(None, has_as_of)
            }
            JsonItems::Values | JsonItems::Map => {
                while let Some(name) = members.next_key_seed(Name::new(<[u8]>::to_vec))? {
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

    fn scalar<E: Error>(self, found: &'static str) -> Result<(), E> {
        Err(self.refuse(found))
    }
}

fn product_id(name: &[u8]) -> Value<'_> {
    match std::str::from_utf8(name) {
        Ok(name) => Value::Text(name.into()),
        // Half a surrogate pair.
        Err(_) => Value::Other(String::from_utf8_lossy(name)),
    }
}
