//! Detects breaking changes between two versions of a schema.
//!
//! | | in a request | in a response |
//! |---|---|---|
//! | property | removed, newly required, or new and required | removed, or no longer always present |
//! | additional members | no longer allowed | |
//! | enum value | removed, or enum added | added, or enum removed |
//! | type | no longer allowed | new |
//! | alternative | removed | new |
//! | range | narrower | |
//! | pattern | changed or added | |
//!
//! Alternatives are compared by their index in the list, so new ones must be appended.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Maximum nesting depth of the comparison: a schema may refer to itself.
const MAX_DEPTH: usize = 16;

/// Direction of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// The documents that contain the schemas.
#[derive(Clone, Copy)]
pub(super) struct Documents<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
}

/// Returns all breaking changes with their locations in the schema.
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
    fn compare(&mut self, location: &str, old: &Value, new: &Value, depth: usize) {
        if depth == MAX_DEPTH {
            return;
        }
        let old = flattened(self.documents.old, old, 0);
        let new = flattened(self.documents.new, new, 0);
        self.types(location, &old, &new);
        self.enum_values(location, &old, &new);
        if self.direction == Direction::Request {
            self.ranges(location, &old, &new);
        }
        self.properties(location, &old, &new, depth);
        self.alternatives(location, &old, &new, depth);
        for inner in ["items", "additionalProperties"] {
            if let (Some(was @ Value::Object(_)), Some(is @ Value::Object(_))) =
                (old.get(inner), new.get(inner))
            {
                self.compare(&format!("{location}/*"), was, is, depth + 1);
            }
        }
    }

    fn found(&mut self, location: &str, what: &str) {
        let separator = if location.is_empty() { "" } else { " " };
        self.breaks.push(format!("{location}{separator}{what}"));
    }

    fn types(&mut self, location: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let types = |schema: &Map<String, Value>| -> Option<BTreeSet<String>> {
            let types = match schema.get("type")? {
                Value::Array(types) => types.clone(),
                one => vec![one.clone()],
            };
            Some(types.iter().map(ToString::to_string).collect())
        };
        // A schema without types allows every type.
        let (sent, accepted) = match self.direction {
            Direction::Request => (types(old), types(new)),
            Direction::Response => (types(new), types(old)),
        };
        let fits = match (sent, accepted) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(sent), Some(accepted)) => sent.is_subset(&accepted),
        };
        if !fits {
            self.found(location, "has a different type");
        }
    }

    fn enum_values(&mut self, location: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let (old, new) = (old.get("enum"), new.get("enum"));
        let (sent, accepted, what) = match self.direction {
            Direction::Request => (old, new, "no longer accepts"),
            Direction::Response => (new, old, "can newly be"),
        };
        let Some(Value::Array(accepted)) = accepted else {
            return;
        };
        let Some(Value::Array(sent)) = sent else {
            self.found(location, "had an enum added or removed");
            return;
        };
        for value in sent.iter().filter(|value| !accepted.contains(value)) {
            self.found(location, &format!("{what} {value}"));
        }
    }

    fn ranges(&mut self, location: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let number = |schema: &Map<String, Value>, name: &str| schema.get(name)?.as_f64();
        for (least, most) in [
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
        ] {
            let was = number(old, least).unwrap_or(f64::NEG_INFINITY);
            if number(new, least).is_some_and(|is| is > was) {
                self.found(location, &format!("has a higher {least}"));
            }
            let was = number(old, most).unwrap_or(f64::INFINITY);
            if number(new, most).is_some_and(|is| is < was) {
                self.found(location, &format!("has a lower {most}"));
            }
        }
        if new.contains_key("pattern") && new.get("pattern") != old.get("pattern") {
            self.found(location, "has a different pattern");
        }
    }

    fn properties(
        &mut self,
        location: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        depth: usize,
    ) {
        let (was_required, is_required) = (required(old), required(new));
        for (name, property) in properties(old) {
            let location = format!("{location}/{name}");
            let Some(now) = properties(new).find(|(known, _)| *known == name) else {
                self.found(&location, "was removed");
                continue;
            };
            match self.direction {
                Direction::Request => {
                    if is_required.contains(name.as_str()) && !was_required.contains(name.as_str())
                    {
                        self.found(&location, "is newly required");
                    }
                }
                Direction::Response => {
                    if was_required.contains(name.as_str()) && !is_required.contains(name.as_str())
                    {
                        self.found(&location, "is no longer always present");
                    }
                }
            }
            self.compare(&location, property, now.1, depth + 1);
        }
        if self.direction == Direction::Response {
            return;
        }
        for (name, _) in properties(new) {
            let is_new = !properties(old).any(|(known, _)| known == name);
            if is_new && is_required.contains(name.as_str()) {
                self.found(&format!("{location}/{name}"), "is new and required");
            }
        }
        let closed = |schema: &Map<String, Value>| {
            schema.get("additionalProperties") == Some(&Value::Bool(false))
        };
        if closed(new) && !closed(old) {
            self.found(location, "no longer accepts additional members");
        }
    }

    fn alternatives(
        &mut self,
        location: &str,
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
            let (sent, accepted, what) = match self.direction {
                Direction::Request => (&old, &new, "accepts fewer alternatives"),
                Direction::Response => (&new, &old, "has more alternatives"),
            };
            if sent.len() > accepted.len() {
                self.found(location, what);
            }
            for (at, (was, is)) in old.iter().zip(&new).enumerate() {
                self.compare(&format!("{location}({at})"), was, is, depth + 1);
            }
        }
    }
}

/// Resolves references and merges all parts of a schema.
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
