//! A moment in time, to the microsecond, in UTC.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// Why a text is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be a date and time as RFC 3339 has it, such as 2026-11-23T12:00:00Z")]
pub struct InvalidTimestamp;

/// Microseconds since 1970-01-01T00:00:00Z: the resolution that PostgreSQL keeps, so that what is compared here and what
/// is compared there is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
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
    /// [`InvalidTimestamp`] if the text is anything else.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InvalidTimestamp)
            .and_then(Self::from_date_time)
    }

    /// Reads the date of an HTTP header field (RFC 9110, section 5.6.7), which has the resolution of a second.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the text is anything else.
    pub fn parse_http_date(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc2822)
            .map_err(|_| InvalidTimestamp)
            .and_then(Self::from_date_time)
    }

    fn from_date_time(moment: OffsetDateTime) -> Result<Self, InvalidTimestamp> {
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000))
            .map(Self)
            .map_err(|_| InvalidTimestamp)
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
    fn reads_an_http_date() {
        let moment = Timestamp::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T12:00:00.000000Z");
    }

    #[test]
    fn a_moment_before_the_epoch_is_cut_off_downwards() {
        let moment = Timestamp::parse_rfc3339("1969-12-31T23:59:59.9999995Z").unwrap();
        assert_eq!(moment.as_micros(), -1);
    }
}
