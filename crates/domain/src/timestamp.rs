//! Instants in UTC with a resolution of one microsecond.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// The largest difference between a local time and UTC.
pub const MAX_UTC_OFFSET: Duration = Duration::from_hours(14);

/// The text is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be an RFC 3339 date and time, such as 2026-11-23T12:00:00Z")]
pub struct InvalidTimestamp;

/// An instant in microseconds since 1970-01-01T00:00:00Z. This is the resolution of PostgreSQL, so comparisons here and in
/// the database have the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The instants that RFC 3339 can express in UTC: the years 0000 to 9999, in microseconds.
const WRITABLE_MICROS: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From nanoseconds since the epoch, truncated to the microsecond, never rounded up.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if RFC 3339 cannot express the instant in UTC.
    pub fn parse_unix_nanos(nanos: i128) -> Result<Self, InvalidTimestamp> {
        i64::try_from(nanos.div_euclid(1_000))
            .ok()
            .filter(|micros| WRITABLE_MICROS.contains(micros))
            .map(Self)
            .ok_or(InvalidTimestamp)
    }

    /// Parses an RFC 3339 date and time. Digits beyond the microsecond are truncated, never rounded up, so that the result
    /// is never later than the text states.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the text is not a date and time, or is an instant in UTC that RFC 3339 cannot express.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InvalidTimestamp)
            .and_then(|instant| Self::parse_unix_nanos(instant.unix_timestamp_nanos()))
    }

    /// Parses the date of an HTTP header field in any of its three forms (RFC 9110, section 5.6.7). Its resolution is one
    /// second.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the text is not such a date.
    pub fn parse_http_date(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc2822)
            .ok()
            .or_else(|| obsolete_http_date(text))
            .ok_or(InvalidTimestamp)
            .and_then(|instant| Self::parse_unix_nanos(instant.unix_timestamp_nanos()))
    }

    /// The start of the second that contains this instant.
    #[must_use]
    pub const fn start_of_second(self) -> Self {
        Self(self.0.div_euclid(1_000_000).saturating_mul(1_000_000))
    }

    /// This instant plus a duration, saturating at the last representable instant.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This instant minus a duration, saturating at the first representable instant.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Parses the forms of RFC 850, `Sunday, 06-Nov-94 08:49:37 GMT`, and of C's `asctime`, `Sun Nov  6 08:49:37 1994`.
fn obsolete_http_date(text: &str) -> Option<OffsetDateTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let (year, month, day, clock) = match fields[..] {
        [weekday, date, clock, "GMT"] if weekday.ends_with(',') => {
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let short: i32 = number(year, 2)?;
            // A two-digit year that would be far in the future is in the previous century.
            let century = if short < 70 { 2000 } else { 1900 };
            (century + short, month, day, clock)
        }
        [_, month, day, clock, year] => (number(year, 4)?, month, day, clock),
        _ => return None,
    };
    let index = MONTHS
        .find(month)
        .filter(|at| month.len() == 3 && at % 3 == 0)?
        / 3;
    let month = Month::try_from(u8::try_from(index + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, number(day, 2)?).ok()?;
    let mut parts = clock.split(':').map(|part| number(part, 2));
    let time = Time::from_hms(parts.next()??, parts.next()??, parts.next()??).ok()?;
    parts.next().is_none().then_some(())?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// Parses an unsigned decimal number of at most `max_digits` digits.
fn number<T: std::str::FromStr>(text: &str, max_digits: usize) -> Option<T> {
    let plain = text.len() <= max_digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six decimals, as in `2026-11-23T12:00:00.000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(instant) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
        else {
            return write!(f, "{}us", self.0);
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            instant.year(),
            u8::from(instant.month()),
            instant.day(),
            instant.hour(),
            instant.minute(),
            instant.second(),
            instant.microsecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_parsed_and_written() {
        let instant = Timestamp::parse_rfc3339("2026-11-23T13:00:00.0040009+01:00").unwrap();
        assert_eq!(instant.to_string(), "2026-11-23T12:00:00.004000Z");
        assert!(Timestamp::parse_rfc3339("2026-11-23").is_err());
    }

    #[test]
    fn an_instant_that_cannot_be_expressed_in_utc_is_refused() {
        for (text, written) in [
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00.000000Z")),
            (
                "0000-01-01T23:59:00+23:59",
                Some("0000-01-01T00:00:00.000000Z"),
            ),
            ("0000-01-01T00:00:00+23:59", None),
            (
                "9999-12-31T23:59:59.9999999Z",
                Some("9999-12-31T23:59:59.999999Z"),
            ),
            ("9999-12-31T23:59:59-00:01", None),
        ] {
            let read = Timestamp::parse_rfc3339(text).ok();
            let read = read.map(|instant| instant.to_string());
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn an_http_date_is_parsed() {
        let instant = Timestamp::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        assert_eq!(instant.to_string(), "2026-11-23T12:00:00.000000Z");
    }

    #[test]
    fn an_http_date_is_parsed_in_each_of_its_three_forms() {
        let expected = Timestamp::parse_rfc3339("1994-11-06T08:49:37Z").unwrap();
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Timestamp::parse_http_date(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "today",
            "Sunday, 06-Nov-94 08:49:37",
            "Sunday, 31-Feb-94 08:49:37 GMT",
            "Sunday, 06-anF-94 08:49:37 GMT",
            "Sun Nov  6 08:49 1994",
            "Sun Nov  6 08:49:37:1 1994",
            "Sun Nov  6 08:49:37 +994",
        ] {
            assert!(Timestamp::parse_http_date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn start_of_second_is_never_later() {
        assert_eq!(
            Timestamp::from_micros(1_999_999).start_of_second().0,
            1_000_000
        );
        assert_eq!(Timestamp::from_micros(-1).start_of_second().0, -1_000_000);
    }

    #[test]
    fn an_instant_before_the_epoch_is_truncated_downwards() {
        let instant = Timestamp::parse_rfc3339("1969-12-31T23:59:59.9999995Z").unwrap();
        assert_eq!(instant.as_micros(), -1);
    }
}
