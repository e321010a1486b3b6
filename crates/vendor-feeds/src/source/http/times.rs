//! The times of a response, and the headers of a partial response.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::evidence::{MAX_AGE, ResponseTimes};
use domain::timestamp::Timestamp;
use reqwest::header::{
    AGE, CACHE_CONTROL, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED,
};

use super::link::next_links;
use crate::excerpt::excerpt;

/// Maximum length of an `ETag` that is kept, in characters. Tags with the same prefix of this length are equal.
const MAX_ETAG_CHARS: usize = 255;

/// Parses the times of a response. Malformed headers are ignored, with two exceptions: a malformed `Age` is the maximum age,
/// and a malformed `Last-Modified` makes `Last-Modified` unusable. Of repeated dates the earliest is used.
pub(super) fn response_times(headers: &HeaderMap) -> ResponseTimes {
    let date = http_date(headers, &DATE);
    let etag = headers.get(ETAG).map(|tag| {
        let tag = String::from_utf8_lossy(tag.as_bytes());
        tag.chars().take(MAX_ETAG_CHARS).collect()
    });
    ResponseTimes {
        last_modified: http_date(headers, &LAST_MODIFIED),
        is_last_modified_unusable: http_dates(headers, &LAST_MODIFIED).any(|date| date.is_none()),
        is_file_time: false,
        etag: etag.filter(|tag: &String| !tag.is_empty()),
        date,
        age: headers
            .get(AGE)
            .map(|age| first_seconds(age.to_str().unwrap_or_default()).unwrap_or(MAX_AGE)),
        freshness: freshness(headers, date),
    }
}

/// The `Date` of the response, if it is present and valid.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers, &DATE)
}

/// The value of a header; the different ones, separated by commas, if it is repeated.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let different: BTreeSet<String> = values.collect();
    let joined = different.into_iter().collect::<Vec<_>>().join(", ");
    (!joined.is_empty()).then_some(joined)
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    http_dates(headers, name).flatten().min()
}

/// The dates of a repeated header; `None` for each malformed value.
fn http_dates(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<Timestamp>> {
    headers.get_all(name).iter().map(|value| {
        let text = value.to_str().ok()?;
        Timestamp::parse_http_date(text.trim()).ok()
    })
}

/// Parses a number of seconds, or the first number of a list (RFC 9111, section 5.1), capped at the largest value that
/// recipients must support (section 1.2.2).
fn first_seconds(text: &str) -> Option<Duration> {
    let first = text.split(',').next().unwrap_or_default().trim();
    seconds(first).map(|seconds| seconds.min(MAX_AGE))
}

/// Parses a number of seconds; a number that overflows is the maximum.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(Duration::MAX, Duration::from_secs))
}

/// The freshness lifetime of the response (RFC 9111, section 4.2.1). Of contradictory values the largest is used.
fn freshness(headers: &HeaderMap, date: Option<Timestamp>) -> Option<Duration> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let value = value.trim().trim_matches('"');
            (name.trim().to_ascii_lowercase(), value)
        });
    let (mut private, mut shared) = (None, None);
    for (name, value) in directives {
        match name.as_str() {
            // Caches may not reuse the response without revalidation.
            "no-store" => return Some(Duration::ZERO),
            "no-cache" if value.is_empty() => return Some(Duration::ZERO),
            "max-age" => private = private.max(first_seconds(value)),
            "s-maxage" => shared = shared.max(first_seconds(value)),
            _ => {}
        }
    }
    let expires = || {
        let _present = headers.get(EXPIRES)?;
        // A malformed value, such as `0`, means expired.
        let expires = http_date(headers, &EXPIRES).zip(date);
        Some(expires.map_or(Duration::ZERO, |(expires, date)| expires.since(date)))
    };
    shared.or(private).or_else(expires)
}

/// Rejects a response that is one page of several: the products on the other pages would count as sold out. The messages
/// do not quote a link, which may contain a credential.
pub(super) fn reject_partial(headers: &HeaderMap) -> Result<(), String> {
    if !next_links(headers)?.is_empty() {
        return Err(
            "the response is one page of several: the header Link has the relation next (source.pages states how the \
             others are requested)"
                .to_owned(),
        );
    }
    let ranges = headers.get_all(CONTENT_RANGE).iter();
    let mut ranges = ranges.map(|value| String::from_utf8_lossy(value.as_bytes()));
    ranges.find(|range| !is_complete(range)).map_or(Ok(()), |range| {
        let shown = excerpt(&range);
        Err(format!(
            "the response is partial: the header Content-Range is {shown} (source.pages states how the rest is requested)"
        ))
    })
}

/// Whether a range, as in `items 0-1/2`, is complete.
fn is_complete(range: &str) -> bool {
    let read = || {
        let (_, numbers) = range.trim().rsplit_once(' ')?;
        let (positions, length) = numbers.split_once('/')?;
        let (first, last) = positions.split_once('-')?;
        let length: u64 = length.parse().ok()?;
        let is_complete = first.parse() == Ok(0_u64) && last.parse().ok() == length.checked_sub(1);
        Some(is_complete)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests;
