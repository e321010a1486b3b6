//! Schemas before and after.
//!
//! | | in what is sent | in what is answered |
//! |---|---|---|
//! | a property | gone, newly required, or new and required | gone, or no longer always there |
//! | other members | no longer allowed | |
//! | an enum's value | gone, or an enum where there was none | new, or the enum is gone |
//! | a type | no longer allowed | new |
//! | an alternative | gone | new |
//! | a range | narrower | |
//! | a pattern | another one, or one where there was none | |
//!
//! Alternatives are told apart by their place in the list, so new ones go to its end.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Deepest nesting that is looked at: a schema may refer to itself.
const MAX_DEPTH: usize = 16;

/// Which way a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Answer,
}

/// The two documents that schemas are parts of.
#[derive(Clone, Copy)]
pub(super) struct Documents<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
}

/// What clients cannot live with, each with its place in the schema.
pub(super) fn breaks(
    documents: Documents<'_>,
    direction: Direction,
    old: &Value,
    new: &Value,
) -> Vec<String> {
    let mut comparison = Comparison {
        documents,
        direction,
        breaks: Vec::new(),
    };
    comparison.compare("", old, new, 0);
    comparison.breaks
}

struct Comparison<'a> {
    documents: Documents<'a>,
    direction: Direction,
    breaks: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, place: &str, old: &Value, new: &Value, depth: usize) {
        if depth == MAX_DEPTH {
            return;
        }
        let old = flattened(self.documents.old, old, 0);
        let new = flattened(self.documents.new, new, 0);
        self.types(place, &old, &new);
        self.words(place, &old, &new);
        if self.direction == Direction::Request {
            self.ranges(place, &old, &new);
        }
        self.properties(place, &old, &new, depth);
        self.alternatives(place, &old, &new, depth);
        for inner in ["items", "additionalProperties"] {
            if let (Some(was @ Value::Object(_)), Some(is @ Value::Object(_))) =
                (old.get(inner), new.get(inner))
            {
                self.compare(&format!("{place}/*"), was, is, depth + 1);
            }
        }
    }

    fn found(&mut self, place: &str, what: &str) {
        let separator = if place.is_empty() { "" } else { " " };
        self.breaks.push(format!("{place}{separator}{what}"));
    }

    fn types(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let types = |schema: &Map<String, Value>| -> Option<BTreeSet<String>> {
            let types = match schema.get("type")? {
                Value::Array(types) => types.clone(),
                one => vec![one.clone()],
            };
            Some(types.iter().map(ToString::to_string).collect())
        };
        // Without any, it may be of every type.
        let (sent, taken) = match self.direction {
            Direction::Request => (types(old), types(new)),
            Direction::Answer => (types(new), types(old)),
        };
        let fits = match (sent, taken) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(sent), Some(taken)) => sent.is_subset(&taken),
        };
        if !fits {
            self.found(place, "is of another type");
        }
    }

    fn words(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let (old, new) = (old.get("enum"), new.get("enum"));
        let (sent, taken, what) = match self.direction {
            Direction::Request => (old, new, "no longer takes"),
            Direction::Answer => (new, old, "may newly be"),
        };
        let Some(Value::Array(taken)) = taken else {
            return;
        };
        let Some(Value::Array(sent)) = sent else {
            self.found(place, "had, or has got, an enum");
            return;
        };
        for word in sent.iter().filter(|word| !taken.contains(word)) {
            self.found(place, &format!("{what} {word}"));
        }
    }

    fn ranges(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let number = |schema: &Map<String, Value>, name: &str| schema.get(name)?.as_f64();
        for (least, most) in [
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
        ] {
            let was = number(old, least).unwrap_or(f64::NEG_INFINITY);
            if number(new, least).is_some_and(|is| is > was) {
                self.found(place, &format!("has a higher {least}"));
            }
            let was = number(old, most).unwrap_or(f64::INFINITY);
            if number(new, most).is_some_and(|is| is < was) {
                self.found(place, &format!("has a lower {most}"));
            }
        }
        if new.contains_key("pattern") && new.get("pattern") != old.get("pattern") {
            self.found(place, "has another pattern");
        }
    }

    fn properties(
        &mut self,
        place: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        depth: usize,
    ) {
        let (was_required, is_required) = (required(old), required(new));
        for (name, property) in properties(old) {
            let place = format!("{place}/{name}");
            let Some(now) = properties(new).find(|(known, _)| *known == name) else {
                self.found(&place, "is gone");
                continue;
            };
            match self.direction {
                Direction::Request => {
                    if is_required.contains(name.as_str()) && !was_required.contains(name.as_str())
                    {
                        self.found(&place, "is newly required");
                    }
                }
                Direction::Answer => {
                    if was_required.contains(name.as_str()) && !is_required.contains(name.as_str())
                    {
                        self.found(&place, "is no longer always there");
                    }
                }
            }
            self.compare(&place, property, now.1, depth + 1);
        }
        if self.direction == Direction::Answer {
            return;
        }
        for (name, _) in properties(new) {
            let is_new = !properties(old).any(|(known, _)| known == name);
            if is_new && is_required.contains(name.as_str()) {
                self.found(&format!("{place}/{name}"), "is new and required");
            }
        }
        let closed = |schema: &Map<String, Value>| {
            schema.get("additionalProperties") == Some(&Value::Bool(false))
        };
        if closed(new) && !closed(old) {
            self.found(place, "no longer takes other members");
        }
    }

    fn alternatives(
        &mut self,
        place: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        depth: usize,
    ) {
        for kind in ["oneOf", "anyOf"] {
            let list = |schema: &Map<String, Value>| {
                let list = schema.get(kind).and_then(Value::as_array);
                list.cloned().unwrap_or_default()
            };
            let (old, new) = (list(old), list(new));
            let (sent, taken, what) = match self.direction {
                Direction::Request => (&old, &new, "takes fewer alternatives"),
                Direction::Answer => (&new, &old, "has more alternatives"),
            };
            if sent.len() > taken.len() {
                self.found(place, what);
            }
            for (at, (was, is)) in old.iter().zip(&new).enumerate() {
                self.compare(&format!("{place}({at})"), was, is, depth + 1);
            }
        }
    }
}

/// A schema without references, and with what all of its parts say in one.
fn flattened(document: &Value, schema: &Value, depth: usize) -> Map<String, Value> {
    let mut flat = Map::new();
    let Value::Object(schema) = schema else {
        return flat;
    };
    if depth == MAX_DEPTH {
        return flat;
    }
    let reference = schema.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|it| document.pointer(it.trim_start_matches('#')));
    let parts = schema.get("allOf").and_then(Value::as_array);
    for part in target.into_iter().chain(parts.into_iter().flatten()) {
        merge(&mut flat, flattened(document, part, depth + 1));
    }
    merge(&mut flat, schema.clone());
    flat.remove("$ref");
    flat.remove("allOf");
    flat
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) if name == "properties" => {
                for (property, schema) in more {
                    match (known.get_mut(&property), schema) {
                        (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                        (_, schema) => {
                            known.insert(property, schema);
                        }
                    }
                }
            }
            (Some(Value::Array(known)), Value::Array(more)) if name == "required" => {
                known.extend(more);
            }
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::iter)
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
