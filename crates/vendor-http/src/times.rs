//! The times of a response, and what says that it is only a part of the report.

use std::time::Duration;

use domain::evidence::{MAX_AGE, ResponseTimes};
use domain::timestamp::Timestamp;
use reqwest::header::{
    AGE, CACHE_CONTROL, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED,
    LINK,
};

use crate::excerpt::excerpt;

/// Longest part of an `ETag` that is kept, in characters. Two tags that are equal up to there count as the same one.
const MAX_ETAG_CHARS: usize = 255;

/// Reads the times of a response. A field that cannot be read is left out, except for an `Age`, with which the response is
/// older than anything can tell, and `Last-Modified`, with which its counts are of any time. Of repeated dates the earliest
/// counts.
pub(crate) fn response_times(headers: &HeaderMap) -> ResponseTimes {
    let date = http_date(headers, &DATE);
    let etag = headers.get(ETAG).map(|tag| {
        let tag = String::from_utf8_lossy(tag.as_bytes());
        tag.chars().take(MAX_ETAG_CHARS).collect()
    });
    ResponseTimes {
        last_modified: http_date(headers, &LAST_MODIFIED),
        is_last_modified_unusable: http_dates(headers, &LAST_MODIFIED).any(|date| date.is_none()),
        etag: etag.filter(|tag: &String| !tag.is_empty()),
        date,
        age: headers
            .get(AGE)
            .map(|age| first_seconds(age.to_str().unwrap_or_default()).unwrap_or(MAX_AGE)),
        freshness: freshness(headers, date),
    }
}

/// The time at which the response was made, if the vendor states one that can be read.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers, &DATE)
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    http_dates(headers, name).flatten().min()
}

/// `None` for one that cannot be read.
fn http_dates(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<Timestamp>> {
    headers.get_all(name).iter().map(|value| {
        let text = value.to_str().ok()?;
        Timestamp::parse_http_date(text.trim()).ok()
    })
}

/// A number of seconds, of a list the first one (RFC 9111, section 5.1); beyond the largest that must be understood, the
/// largest (section 1.2.2).
fn first_seconds(text: &str) -> Option<Duration> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| {
        first
            .parse()
            .map_or(MAX_AGE, Duration::from_secs)
            .min(MAX_AGE)
    })
}

/// How long caches may reuse the response (RFC 9111, section 4.2.1). Of contradictory values the largest counts.
fn freshness(headers: &HeaderMap, date: Option<Timestamp>) -> Option<Duration> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            (
                name.trim().to_ascii_lowercase(),
                value.trim().trim_matches('"'),
            )
        });
    let (mut private, mut shared) = (None, None);
    for (name, value) in directives {
        match name.as_str() {
            // No cache may send it without asking the origin.
            "no-store" => return Some(Duration::ZERO),
            "no-cache" if value.is_empty() => return Some(Duration::ZERO),
            "max-age" => private = private.max(first_seconds(value)),
            "s-maxage" => shared = shared.max(first_seconds(value)),
            _ => {}
        }
    }
    let expires = || {
        let _present = headers.get(EXPIRES)?;
        // What cannot be read, such as `0`, has expired.
        let expires = http_date(headers, &EXPIRES).zip(date);
        Some(expires.map_or(Duration::ZERO, |(expires, date)| expires.since(date)))
    };
    shared.or(private).or_else(expires)
}

/// Refuses a response that says that it is one page of several: the rest of the stock would count as sold out.
pub(crate) fn refuse_page(headers: &HeaderMap) -> Result<(), String> {
    let texts = |name| {
        headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    for link in texts(LINK) {
        if links_to_next(&link) {
            let shown = excerpt(&link);
            return Err(format!(
                "it is one page of several: the header Link is {shown}, and the feed is not configured for pages"
            ));
        }
    }
    for range in texts(CONTENT_RANGE) {
        if !is_whole(&range) {
            let shown = excerpt(&range);
            return Err(format!(
                "it is a part: the header Content-Range is {shown}, and the feed is not configured for pages"
            ));
        }
    }
    Ok(())
}

/// Whether one of the links (RFC 8288) leads to the next page. What stands between `<` and `>`, and between quotes, may
/// contain every separator.
fn links_to_next(field: &str) -> bool {
    let mut rest = field;
    let mut is_next = false;
    while !rest.is_empty() {
        rest = match rest.as_bytes()[0] {
            b'<' => rest.split_once('>').map_or("", |(_, rest)| rest),
            b';' => {
                let parameter = rest[1..].trim_start();
                let (value, after) = match parameter.split_once('=') {
                    Some((name, value)) if name.trim().eq_ignore_ascii_case("rel") => {
                        parameter_value(value.trim_start())
                    }
                    // Another parameter: its value is passed over like everything else.
                    _ => ("", parameter),
                };
                is_next |= value
                    .split_ascii_whitespace()
                    .any(|relation| relation.eq_ignore_ascii_case("next"));
                after
            }
            b'"' => parameter_value(rest).1,
            _ => {
                let mut chars = rest.chars();
                chars.next();
                chars.as_str()
            }
        };
    }
    is_next
}

/// The value of a parameter, quoted or not, and the text after it.
fn parameter_value(text: &str) -> (&str, &str) {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => text.split_at(text.find([';', ',']).unwrap_or(text.len())),
    }
}

/// Whether a range as in `items 0-1/2` is all of it.
fn is_whole(range: &str) -> bool {
    let read = || {
        let (_, numbers) = range.trim().rsplit_once(' ')?;
        let (positions, length) = numbers.split_once('/')?;
        let (first, last) = positions.split_once('-')?;
        let length: u64 = length.parse().ok()?;
        let whole = first.parse() == Ok(0_u64) && last.parse().ok() == length.checked_sub(1);
        Some(whole)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests;
