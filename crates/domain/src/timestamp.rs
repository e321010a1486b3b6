//! A moment in time, to the microsecond, in UTC.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Why a text is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be a date and time as RFC 3339 has it, such as 2026-11-23T12:00:00Z")]
pub struct InvalidTimestamp;

/// Microseconds since 1970-01-01T00:00:00Z: the resolution that PostgreSQL keeps, so that what is compared here and what
/// is compared there is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The moments that RFC 3339 can write in UTC: the years 0000 to 9999, in microseconds.
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

    /// Reads RFC 3339. Digits beyond the microsecond are cut off, never rounded up: a moment is not read as later than
    /// it was.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the text is anything else, or means a moment in UTC that RFC 3339 cannot write.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InvalidTimestamp)
            .and_then(Self::from_date_time)
    }

    /// Reads the date of an HTTP header field in any of its three forms (RFC 9110, section 5.6.7). It has the resolution of
    /// a second.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the text is anything else.
    pub fn parse_http_date(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc2822)
            .ok()
            .or_else(|| obsolete_http_date(text))
            .ok_or(InvalidTimestamp)
            .and_then(Self::from_date_time)
    }

    fn from_date_time(moment: OffsetDateTime) -> Result<Self, InvalidTimestamp> {
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000))
            .ok()
            .filter(|micros| WRITABLE_MICROS.contains(micros))
            .map(Self)
            .ok_or(InvalidTimestamp)
    }

    /// The start of the second that this moment is in.
    #[must_use]
    pub const fn start_of_second(self) -> Self {
        Self(self.0.div_euclid(1_000_000).saturating_mul(1_000_000))
    }

    /// This moment plus a span; stays at the last representable moment on overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This moment less a span; stays at the first representable moment on overflow.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time from `earlier` to this moment, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The forms of RFC 850, `Sunday, 06-Nov-94 08:49:37 GMT`, and of C's `asctime`, `Sun Nov  6 08:49:37 1994`.
fn obsolete_http_date(text: &str) -> Option<OffsetDateTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (year, month, day, clock) = match words[..] {
        [weekday, date, clock, "GMT"] if weekday.ends_with(',') => {
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let short: i32 = number(year, 2)?;
            // A year that would be far in the future is one of the century before.
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

/// Decimal digits, at most `max_digits` of them.
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
        let Ok(moment) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
        else {
            return write!(f, "{}us", self.0);
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.microsecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let moment = Timestamp::parse_rfc3339("2026-11-23T13:00:00.0040009+01:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T12:00:00.004000Z");
        assert!(Timestamp::parse_rfc3339("2026-11-23").is_err());
    }

    #[test]
    fn a_moment_that_cannot_be_written_in_utc_is_not_read() {
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
            let read = read.map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn reads_an_http_date() {
        let moment = Timestamp::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T12:00:00.000000Z");
    }

    #[test]
    fn http_date_is_read_in_each_of_its_three_forms() {
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
    fn a_moment_before_the_epoch_is_cut_off_downwards() {
        let moment = Timestamp::parse_rfc3339("1969-12-31T23:59:59.9999995Z").unwrap();
        assert_eq!(moment.as_micros(), -1);
    }
}
