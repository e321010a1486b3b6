//! RFC 3339 timestamps.

use serde::de::{Deserialize, Deserializer, Error};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A timestamp in UTC.
pub type Timestamp = OffsetDateTime;

pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::parse(&text, &Rfc3339).map_err(D::Error::custom)
}

pub(crate) fn read_or_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let timestamp = text.map(|text| Timestamp::parse(&text, &Rfc3339).map_err(D::Error::custom));
    timestamp.transpose()
}
