//! The instant for which a document holds, and how it is written.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de};

use crate::format::AsOfText;

/// The instant for which a document holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// That of the response.
    #[default]
    Now,
    At(Timestamp),
}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "now" {
            return Ok(Self::Now);
        }
        text.parse().map(Self::At).map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is not an instant, expected \"now\" or a text such as \"2026-11-30T12:00:00Z\""
            ))
        })
    }
}

/// How an instant is written: a name of the setting `as_of_format`, or a pattern of `strftime`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum AsOfFormat {
    #[default]
    Rfc3339,
    HttpDate,
    Unix,
    UnixMs,
    Pattern(String),
}

impl<'de> Deserialize<'de> for AsOfFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "rfc3339" => Self::Rfc3339,
            "http_date" => Self::HttpDate,
            "unix" => Self::Unix,
            "unix_ms" => Self::UnixMs,
            _ => {
                pattern(&text, Timestamp::UNIX_EPOCH, &TimeZone::UTC).map_err(de::Error::custom)?;
                Self::Pattern(text)
            }
        })
    }
}

/// The time zone of patterns.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        TimeZone::get(&name).map(Self).map_err(|_| {
            de::Error::custom(format!(
                "{name:?} is not a time zone, expected a name such as \"Europe/Berlin\""
            ))
        })
    }
}

impl From<Zone> for TimeZone {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

impl AsOf {
    /// The instant as a document states it.
    pub(crate) fn write(
        self,
        now: Timestamp,
        format: &AsOfFormat,
        zone: &Zone,
    ) -> Result<AsOfText, String> {
        let instant = match self {
            Self::Now => now,
            Self::At(instant) => instant,
        };
        let text = match format {
            AsOfFormat::Rfc3339 => pattern("%Y-%m-%dT%H:%M:%SZ", instant, &TimeZone::UTC)?,
            AsOfFormat::HttpDate => pattern("%a, %d %b %Y %H:%M:%S GMT", instant, &TimeZone::UTC)?,
            AsOfFormat::Unix => instant.as_second().to_string(),
            AsOfFormat::UnixMs => instant.as_millisecond().to_string(),
            AsOfFormat::Pattern(text) => pattern(text, instant, &zone.0)?,
        };
        Ok(AsOfText {
            text,
            is_number: matches!(format, AsOfFormat::Unix | AsOfFormat::UnixMs),
        })
    }
}

/// An instant by a pattern of `strftime`.
pub(crate) fn pattern(text: &str, instant: Timestamp, zone: &TimeZone) -> Result<String, String> {
    strtime::format(text, &instant.to_zoned_datetime(zone.clone()))
        .map_err(|error| format!("{text:?} is not a pattern of strftime: {error}"))
}
