//! Parses a vendor's document into a report.

use std::fmt;
use std::marker::PhantomData;

use domain::identifiers::ProductId;
use domain::report::{Report, ReportKind};
use domain::stock::MAX_REPORTED;
use domain::timestamp::Timestamp;
use jsonptr::{Pointer, PointerBuf};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde_json::Value;

use crate::duplicates::UniqueMembers;
use crate::excerpt::excerpt;
use crate::pointer::{AtPointer, shown};

/// Maximum length of a JSON error message that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// Where the fields are in a vendor's document, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFormat {
    /// The list of items, relative to the document; empty for the document itself.
    pub items: PointerBuf,
    /// The product id, relative to an item.
    pub product_id: PointerBuf,
    /// The number of units, relative to an item.
    pub quantity: PointerBuf,
    /// The instant for which the report holds, relative to the document, if the document states it.
    pub as_of: Option<PointerBuf>,
}

/// One product of a report.
type Line = (ProductId, i64);

impl FeedFormat {
    /// Parses a document. The error is a one-line description of the problem.
    pub(crate) fn parse(&self, kind: ReportKind, document: &[u8]) -> Result<Report, String> {
        let as_of = self.as_of.as_deref();
        let as_of = as_of.map(|pointer| read_as_of(pointer, document));
        let as_of = as_of.transpose()?;
        let lines = read_at(&self.items, document, Items { format: self })?
            .ok_or_else(|| format!("{} is missing, expected a list", shown(&self.items)))??;
        Report::parse(kind, as_of, lines).map_err(|error| error.to_string())
    }

    fn line(&self, item: &Value) -> Result<Line, String> {
        let product_id = item.pointer(self.product_id.as_str());
        let id = match product_id {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
            other => {
                return Err(format!(
                    "{} {}, expected a string or an integer",
                    shown(&self.product_id),
                    describe(other)
                ));
            }
        };
        let product_id = ProductId::parse(id).map_err(|error| {
            let pointer = shown(&self.product_id);
            format!("{pointer} {}: it {error}", describe(product_id))
        })?;
        let quantity = item.pointer(self.quantity.as_str());
        quantity
            .and_then(Value::as_i64)
            .filter(|units| (0..=i64::from(MAX_REPORTED)).contains(units))
            .map(|units| (product_id, units))
            .ok_or_else(|| {
                format!(
                    "{} {}, expected an integer from 0 to {MAX_REPORTED}",
                    shown(&self.quantity),
                    describe(quantity)
                )
            })
    }
}

/// Describes a value, or its absence, as the predicate of a sentence.
fn describe(value: Option<&Value>) -> String {
    match value {
        None => "is missing".to_owned(),
        Some(value) => format!("is {}", excerpt(&value.to_string())),
    }
}

fn read_as_of(pointer: &Pointer, document: &[u8]) -> Result<Timestamp, String> {
    let value = read_at(pointer, document, PhantomData::<Value>)?;
    value
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|text| Timestamp::parse_rfc3339(text).ok())
        .ok_or_else(|| {
            let found = describe(value.as_ref());
            let pointer = shown(pointer);
            format!("{pointer} {found}, expected a date and time such as 2026-11-23T12:00:00Z")
        })
}

/// Parses the whole document, and deserializes the value at `pointer` with `seed`.
fn read_at<'de, S: DeserializeSeed<'de>>(
    pointer: &Pointer,
    document: &'de [u8],
    seed: S,
) -> Result<Option<S::Value>, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let found = AtPointer { pointer, seed }.deserialize(&mut deserializer);
    found
        .and_then(|found| deserializer.end().map(|()| found))
        .map_err(|error| {
            let reason = log_text::excerpt(&error.to_string(), MAX_REASON_CHARS);
            format!("reading {}: {reason}", shown(pointer))
        })
}

/// Deserializes the list item by item, so that a large report is not held as a tree. The inner error is about an item.
struct Items<'l> {
    format: &'l FeedFormat,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Result<Vec<Line>, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Result<Vec<Line>, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut lines = Vec::new();
        let mut duplicate = None;
        loop {
            let seed = UniqueMembers::new(&mut duplicate);
            let Some(item) = items.next_element_seed(seed)? else {
                break;
            };
            let line = match duplicate.take() {
                None => self.format.line(&item),
                // It is not known which of the two values is right.
                Some(name) => Err(format!("duplicate member {}", excerpt(&name))),
            };
            match line {
                Ok(line) => lines.push(line),
                Err(problem) => {
                    // Read to the end: invalid JSON later in the document takes precedence over an invalid item.
                    while items.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Err(format!("item {}: {problem}", lines.len())));
                }
            }
        }
        Ok(Ok(lines))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        // The default quotes the string, whatever its length.
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }
}

#[cfg(test)]
mod tests;
