//! JSON values that are written as they are stated: members keep their order, and a number or a text may be one that no JSON
//! library would write.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::Cell;

/// A JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Raw(Box<RawValue>),
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
}

impl Node {
    pub(crate) const NULL: &'static str = "null";

    /// Parses JSON, which is written as it is here.
    pub(crate) fn raw(json: &str) -> Result<Self, String> {
        let raw = RawValue::from_string(json.to_owned());
        raw.map(Self::Raw)
            .map_err(|error| format!("{json:?} is not JSON: {error}"))
    }

    pub(crate) fn text(text: &str) -> Result<Self, String> {
        let json = serde_json::to_string(text).map_err(|error| error.to_string())?;
        Self::raw(&json)
    }

    pub(crate) fn cell(cell: &Cell) -> Result<Self, String> {
        match cell {
            Cell::Text(text) => Self::text(text),
            Cell::Number(digits) | Cell::Raw(digits) => Self::raw(digits),
        }
    }

    /// Puts a value at a JSON pointer below this object, and creates the objects in between.
    pub(crate) fn set(&mut self, pointer: &str, value: Node) -> Result<(), String> {
        let Some(path) = pointer.strip_prefix('/') else {
            return Err(format!("{pointer:?} is not a JSON pointer to a member"));
        };
        let mut place = self;
        for segment in path.split('/') {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let Self::Object(members) = place else {
                return Err(format!(
                    "{pointer:?} leads through a value that is no object"
                ));
            };
            let index = members.iter().position(|(found, _)| *found == name);
            let index = index.unwrap_or_else(|| {
                members.push((name, Self::Object(Vec::new())));
                members.len() - 1
            });
            place = &mut members[index].1;
        }
        match place {
            Self::Object(members) if members.is_empty() => {
                *place = value;
                Ok(())
            }
            _ => Err(format!("two values are at {pointer:?}")),
        }
    }

    /// The JSON text on one line.
    pub(crate) fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
