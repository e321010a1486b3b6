//! Reads the instant for which a document states that it holds. An instant is never read as later than the document states:
//! it decides which shipments the counts include.

use domain::timestamp::{InvalidTimestamp, Timestamp};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::excerpt::excerpt;
use crate::options::{AsOfFormat, AsOfOptions};
use crate::record::Value;

/// Reads instants as the options state.
#[derive(Debug, Clone)]
pub(crate) struct AsOf {
    /// How messages name the field.
    name: String,
    format: AsOfFormat,
    zone: Option<TimeZone>,
}

/// Why a text is not an instant.
enum Invalid {
    /// It is not written in the format.
    Format,
    /// It has no offset, and the options have no zone.
    NoZone,
    /// The clocks of the zone skipped it.
    Skipped(String),
    /// Outside the years 0 to 9999.
    OutOfRange,
}

impl From<InvalidTimestamp> for Invalid {
    fn from(_: InvalidTimestamp) -> Self {
        Self::OutOfRange
    }
}

impl AsOf {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(options: &AsOfOptions) -> Result<Self, String> {
        let AsOfOptions {
            field,
            format,
            zone,
        } = options;
        let zone = zone.as_deref().map(|name| {
            TimeZone::get(name).map_err(|_| {
                format!("format.as_of_zone is {name:?}, which is not a time zone of this system's database")
            })
        });
        if let AsOfFormat::Pattern(pattern) = format {
            check_pattern(pattern)?;
        }
        let name = match field.as_str() {
            "" => "the document",
            field => field,
        };
        Ok(Self {
            name: name.to_owned(),
            format: format.clone(),
            zone: zone.transpose()?,
        })
    }

    /// Reads an instant. The error is a one-line description of the problem.
    pub(crate) fn read(&self, value: &Value<'_>) -> Result<Timestamp, String> {
        let invalid = match value {
            Value::Text(text) => match self.parse(text) {
                Ok(instant) => return Ok(instant),
                Err(invalid) => invalid,
            },
            Value::Number(number) => match self.parse_number(number) {
                Ok(instant) => return Ok(instant),
                Err(invalid) => invalid,
            },
            Value::Missing | Value::Other(_) => Invalid::Format,
        };
        let name = &self.name;
        let found = match value {
            Value::Missing => "is missing".to_owned(),
            Value::Text(text) => format!("is {}", excerpt(&format!("{text:?}"))),
            Value::Number(shown) | Value::Other(shown) => format!("is {}", excerpt(shown)),
        };
        Err(match invalid {
            Invalid::Format => {
                let hint = match (&self.format, value) {
                    (AsOfFormat::Rfc3339, Value::Text(_) | Value::Number(_)) => {
                        " (format.as_of_format states another notation)"
                    }
                    _ => "",
                };
                format!("{name} {found}, expected {}{hint}", self.expected())
            }
            Invalid::NoZone => format!(
                "{name} {found}, without an offset (format.as_of_zone states the time zone)"
            ),
            Invalid::Skipped(zone) => {
                format!("{name} {found}, a time that the clocks of {zone} skipped")
            }
            Invalid::OutOfRange => {
                let hint = match self.format {
                    AsOfFormat::Unix => " (format.as_of_format = \"unix_ms\" reads milliseconds)",
                    _ => "",
                };
                format!("{name} {found}, which is not in the years 0 to 9999{hint}")
            }
        })
    }

    fn expected(&self) -> String {
        match &self.format {
            AsOfFormat::Rfc3339 => "a date and time such as 2026-11-23T12:00:00Z".to_owned(),
            AsOfFormat::HttpDate => "a date such as Mon, 23 Nov 2026 12:00:00 GMT".to_owned(),
            AsOfFormat::Unix => "a number of seconds since 1970".to_owned(),
            AsOfFormat::UnixMs => "a number of milliseconds since 1970".to_owned(),
            AsOfFormat::Pattern(pattern) => format!("a time of the pattern {}", excerpt(pattern)),
        }
    }

    /// Reads a value that is a number by its type.
    fn parse_number(&self, number: &str) -> Result<Timestamp, Invalid> {
        match self.format {
            AsOfFormat::Rfc3339 | AsOfFormat::HttpDate => Err(Invalid::Format),
            // 20261123 may be a number.
            AsOfFormat::Unix | AsOfFormat::UnixMs | AsOfFormat::Pattern(_) => self.parse(number),
        }
    }

    fn parse(&self, text: &str) -> Result<Timestamp, Invalid> {
        match &self.format {
            AsOfFormat::Rfc3339 => {
                Timestamp::parse_rfc3339(text).or_else(|_| self.parse_similar(text))
            }
            AsOfFormat::HttpDate => Timestamp::parse_http_date(text).map_err(|_| Invalid::Format),
            AsOfFormat::Unix => since_epoch(text, 9),
            AsOfFormat::UnixMs => since_epoch(text, 6),
            AsOfFormat::Pattern(pattern) => self.parse_pattern(pattern, text),
        }
    }

    /// Reads what is not RFC 3339 in its offset only: `+0100`, or none.
    fn parse_similar(&self, text: &str) -> Result<Timestamp, Invalid> {
        let pieces = Pieces::parse(text).map_err(|_| Invalid::Format)?;
        if pieces.time_zone_annotation().is_some() {
            return Err(Invalid::Format);
        }
        let time = pieces.time().ok_or(Invalid::Format)?;
        let date_time = pieces.date().to_datetime(time);
        match pieces.to_numeric_offset() {
            Some(offset) => instant(offset.to_timestamp(date_time)),
            None => self.in_zone(date_time),
        }
    }

    fn parse_pattern(&self, pattern: &str, text: &str) -> Result<Timestamp, Invalid> {
        let fields = strtime::parse(pattern, text).map_err(|_| Invalid::Format)?;
        if fields.timestamp().is_some() || fields.offset().is_some() {
            return instant(fields.to_timestamp());
        }
        // A date without a time is its midnight: not later than the document states.
        let date_time = fields.to_datetime().map_err(|_| Invalid::Format)?;
        self.in_zone(date_time)
    }

    fn in_zone(&self, date_time: DateTime) -> Result<Timestamp, Invalid> {
        let zone = self.zone.as_ref().ok_or(Invalid::NoZone)?;
        let ambiguous = zone.to_ambiguous_timestamp(date_time);
        if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
            let name = zone.iana_name().unwrap_or("the time zone");
            return Err(Invalid::Skipped(name.to_owned()));
        }
        // In autumn an hour occurs twice; the text may mean the first.
        instant(ambiguous.earlier())
    }
}

fn instant(instant: Result<jiff::Timestamp, jiff::Error>) -> Result<Timestamp, Invalid> {
    let instant = instant.map_err(|_| Invalid::OutOfRange)?;
    Ok(Timestamp::parse_unix_nanos(instant.as_nanosecond())?)
}

/// Reads a decimal number of units of 10^`exponent` nanoseconds; digits beyond the nanosecond are truncated.
fn since_epoch(text: &str, exponent: usize) -> Result<Timestamp, Invalid> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(Invalid::Format);
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0'));
    let digits: Vec<u8> = whole.bytes().chain(digits.take(exponent)).collect();
    let nanos = String::from_utf8_lossy(&digits)
        .parse()
        .map_err(|_| Invalid::OutOfRange)?;
    let is_cut = fraction.bytes().skip(exponent).any(|digit| digit != b'0');
    let nanos: i128 = match (is_negative, is_cut) {
        (false, _) => nanos,
        (true, false) => -nanos,
        // Truncated downwards, as all instants.
        (true, true) => -nanos - 1,
    };
    Ok(Timestamp::parse_unix_nanos(nanos)?)
}

/// Checks a pattern by writing a time in it and reading the text.
fn check_pattern(pattern: &str) -> Result<(), String> {
    let problem = |detail: &str| format!("format.as_of_format is {pattern:?}: {detail}");
    let example = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let written = strtime::format(pattern, &example)
        .map_err(|error| problem(&excerpt(&error.to_string())))?;
    let fields =
        strtime::parse(pattern, &written).map_err(|error| problem(&excerpt(&error.to_string())))?;
    if fields.timestamp().is_none() && fields.to_datetime().is_err() {
        return Err(problem("it has no date"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
