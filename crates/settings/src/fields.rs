//! Strict deserialization of single values: each error states the value found and the value expected.
//!
//! A number is a TOML number in a file and a string in a variable; both are accepted. Nothing else is converted: no
//! rounding, no booleans as numbers.

mod numbers;

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::identifiers::VendorId;
use jsonptr::PointerBuf;
use serde::de::{DeserializeSeed, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

pub(crate) use numbers::{integer, optional_integer, optional_share, ratio};

/// Longest part of an invalid value that an error message quotes, in characters.
const MAX_QUOTED_CHARS: usize = 80;

/// Quotes an invalid value, escaped and cut to [`MAX_QUOTED_CHARS`].
pub(crate) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{start:?}{rest}")
}

fn invalid<E: Error>(found: &str, expected: impl fmt::Display) -> E {
    E::custom(format!("is {}, expected {expected}", quoted(found)))
}

/// A scalar as it is written in a file or a variable.
enum Scalar {
    String(String),
    Integer(i64),
    Boolean(bool),
    Float(f64),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::String(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(number))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Boolean(value))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(number))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Scalar, A::Error> {
                Err(A::Error::invalid_type(Unexpected::Seq, &self))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl Scalar {
    fn into_string<E: Error>(self, expected: impl fmt::Display) -> Result<String, E> {
        match self {
            Self::String(text) => Ok(text),
            Self::Integer(_) => Err(E::custom(format!("is a number, expected {expected}"))),
            Self::Boolean(_) => Err(E::custom(format!("is a boolean, expected {expected}"))),
            Self::Float(_) => Err(E::custom(format!(
                "is a floating-point number, expected {expected}"
            ))),
        }
    }
}

/// Reads a boolean.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    const EXPECTED: &str = "true or false";
    match Scalar::deserialize(deserializer)? {
        Scalar::Boolean(value) => Ok(value),
        other => {
            let text = other.into_string::<D::Error>(EXPECTED)?;
            Err(invalid(&text, EXPECTED))
        }
    }
}

/// Reads an optional boolean.
pub(crate) fn optional_boolean<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    boolean(deserializer).map(Some)
}

/// Reads one character that `is_valid` accepts; `expected` describes it.
pub(crate) fn character<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &str,
    is_valid: impl Fn(char) -> bool,
) -> Result<char, D::Error> {
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(expected)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) if is_valid(char) => Ok(char),
        _ => Err(invalid(&text, expected)),
    }
}

/// Reads a duration from `MIN` to `MAX` milliseconds, written as an integer with the unit `ms`, `s`, `m` or `h`.
pub(crate) fn duration<'de, D, const MIN: u64, const MAX: u64>(
    deserializer: D,
) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let (min, max) = (format_millis(MIN), format_millis(MAX));
    let expected = format!("a duration from {min} to {max}, such as 500ms, 30s, 5m or 24h");
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(&expected)?;
    parse_millis(&text)
        .filter(|millis| (MIN..=MAX).contains(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| invalid(&text, &expected))
}

/// Reads an optional duration.
pub(crate) fn optional_duration<'de, D, const MIN: u64, const MAX: u64>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    duration::<D, MIN, MAX>(deserializer).map(Some)
}

/// Time units by suffix, in milliseconds. Not a library's grammar: its longest durations would be printed in months and days,
/// and a fraction or a sum of units is no easier to read in a settings file. A suffix that ends with another suffix comes first.
const UNITS_MS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

fn parse_millis(text: &str) -> Option<u64> {
    let (digits, unit_ms) = UNITS_MS
        .iter()
        .find_map(|&(suffix, unit_ms)| Some((text.strip_suffix(suffix)?, unit_ms)))?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_ms)
}

fn format_millis(millis: u64) -> String {
    let unit = UNITS_MS
        .iter()
        .rev()
        .find(|(_, unit_ms)| millis.is_multiple_of(*unit_ms) && millis > 0);
    unit.map_or_else(
        || format!("{millis}ms"),
        |(suffix, unit_ms)| format!("{}{suffix}", millis / unit_ms),
    )
}

/// Reads a string that is not blank and has no control characters.
pub(crate) fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const EXPECTED: &str = "a string that is not blank and has no control characters";
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(EXPECTED)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(invalid(&text, EXPECTED));
    }
    Ok(text)
}

/// Reads an optional string.
pub(crate) fn optional_string<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    string(deserializer).map(Some)
}

/// Reads an optional string that may be blank or have control characters.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Scalar::deserialize(deserializer)?;
    text.into_string("a string").map(Some)
}

/// Reads a string that no error message quotes.
pub(crate) fn secret_string<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    Scalar::deserialize(deserializer)?.into_string("a string")
}

/// Reads an optional string that no error message quotes.
pub(crate) fn optional_secret_string<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    secret_string(deserializer).map(Some)
}

/// Reads a file path.
pub(crate) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    string(deserializer).map(PathBuf::from)
}

/// Reads an IP address to listen on.
pub(crate) fn ip_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    const EXPECTED: &str = "an IP address such as 127.0.0.1, 0.0.0.0 or ::";
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(EXPECTED)?;
    text.parse().map_err(|_| invalid(&text, EXPECTED))
}

/// A kind of list.
pub(crate) trait List {
    type Item;

    /// The list, as the expected value of an error message.
    const EXPECTED: &'static str;

    /// Parses an item as it is written in a variable.
    fn parse<E: Error>(text: &str) -> Result<Self::Item, E>;

    /// Reads an item of a file.
    fn item<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Item, D::Error> {
        Self::parse(&string(deserializer)?)
    }
}

/// Reads a list; in a variable, the items are separated by commas.
pub(crate) fn list<'de, L: List, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<L::Item>, D::Error> {
    deserializer.deserialize_any(ListSeed::<L>(PhantomData))
}

/// Reads a list as a visitor, and an item as a seed.
struct ListSeed<L>(PhantomData<L>);

impl<'de, L: List> Visitor<'de> for ListSeed<L> {
    type Value = Vec<L::Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(L::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.split(',').map(|item| L::parse(item.trim())).collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self(PhantomData))? {
            list.push(item);
        }
        Ok(list)
    }
}

impl<'de, L: List> DeserializeSeed<'de> for ListSeed<L> {
    type Value = L::Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<L::Item, D::Error> {
        L::item(deserializer)
    }
}

/// Ids of vendors.
pub(crate) struct VendorIds;

impl List for VendorIds {
    type Item = VendorId;

    const EXPECTED: &'static str = "a list of vendor ids";

    fn parse<E: Error>(text: &str) -> Result<VendorId, E> {
        VendorId::parse(text)
            .map_err(|error| E::custom(format!("is {}: a vendor id {error}", quoted(text))))
    }

    fn item<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VendorId, D::Error> {
        let text = Scalar::deserialize(deserializer)?;
        Self::parse(&text.into_string::<D::Error>("a vendor id in quotes")?)
    }
}

/// Reads a vendor id.
pub(crate) fn vendor_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VendorId, D::Error> {
    VendorIds::item(deserializer)
}

/// Reads an optional JSON pointer (RFC 6901).
pub(crate) fn optional_json_pointer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PointerBuf>, D::Error> {
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(JSON_POINTER)?;
    parse_json_pointer(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

const JSON_POINTER: &str = "a JSON pointer: empty, or starting with /, with ~ only as ~0 or ~1";

/// Parses a JSON pointer (RFC 6901). The error is a predicate, as in the errors of all settings.
pub(crate) fn parse_json_pointer(text: &str) -> Result<PointerBuf, String> {
    PointerBuf::parse(text).map_err(|_| format!("is {}, expected {JSON_POINTER}", quoted(text)))
}

/// Reads one of the given names and returns its value.
pub(crate) fn one_of<'de, D, T: Copy>(deserializer: D, choices: &[(&str, T)]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let expected = names.join(" or ");
    let text = Scalar::deserialize(deserializer)?.into_string::<D::Error>(&expected)?;
    choices
        .iter()
        .find_map(|(name, value)| (*name == text).then_some(*value))
        .ok_or_else(|| invalid(&text, &expected))
}
