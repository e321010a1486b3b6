//! Conditions of requests: which validators of a response are reliable, and when they may be sent.
//!
//! A report that is taken for unchanged although it changed is sold from until the next change, so a validator is used only if
//! no other content can have it (RFC 9110, section 8.8). Validators are bound to the settings and to the URL from which they
//! came: a redirect may lead to another file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::timestamp::Timestamp;
use domain::validators::Validators;
use reqwest::Url;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::times;

/// Minimum time between `Last-Modified` and the response: within the same second the content may change again, and some
/// servers round `Last-Modified` up to the next one. Servers that make an `ETag` of time and size have the same problem
/// (nginx; `findings/nginx_etag_of_a_rewritten_file.sh`).
const MIN_AGE: Duration = Duration::from_secs(2);

/// Maximum length of an `ETag`, in bytes. A longer one is not used.
const MAX_ETAG_BYTES: usize = 255;

/// Ends of an `ETag` to which a server adds the content coding, and which it may not recognize later (Apache).
const CODING_SUFFIXES: [&str; 4] = ["-gzip", "-br", "-deflate", "-zstd"];

/// The conditions of the requests of one source.
pub(super) struct Conditions {
    vendor_id: VendorId,
    /// Identifies all settings of the feed.
    settings: String,
    /// Whether a response with the status 304 did not repeat the time of the condition.
    has_omitted_time: AtomicBool,
}

impl Conditions {
    /// `settings` identifies all settings of the feed: with others, the same document is another report.
    pub(super) fn new(vendor_id: VendorId, settings: String) -> Self {
        Self {
            vendor_id,
            settings,
            has_omitted_time: AtomicBool::new(false),
        }
    }

    /// Whether a response with the status 304 can show that it is about the version with these validators. If it did not once, a
    /// condition without an `ETag` only costs a second request.
    pub(super) fn are_useful(&self, known: &Validators) -> bool {
        known.etag.is_some() || !self.has_omitted_time.load(Ordering::Relaxed)
    }

    /// Records a response with the status 304 that may be about another version than the one that the condition named.
    pub(super) fn on_another_version(&self, known: &Validators, headers: &HeaderMap) {
        if omits_time(known, headers) && !self.has_omitted_time.swap(true, Ordering::Relaxed) {
            info!(
                vendor.id = %self.vendor_id,
                "the vendor's report has no ETag, and a 304 response did not repeat Last-Modified: until the process ends, it is \
                 requested in full unless it has an ETag"
            );
        }
    }

    fn scope(&self, url: &Url) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.settings);
        hash.update([0]);
        hash.update(url.as_str());
        hex::encode(hash.finalize())
    }

    /// The headers of a request to a URL, without its credentials, if it may have the condition.
    pub(super) fn headers(&self, known: &Validators, url: &Url) -> Option<HeaderMap> {
        if known.scope != self.scope(url) {
            return None;
        }
        // Each server that evaluates both requires both, or only `If-None-Match`, which is the stronger one.
        let conditions = [
            (IF_NONE_MATCH, &known.etag),
            (IF_MODIFIED_SINCE, &known.last_modified),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in conditions {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).ok()?);
            }
        }
        (!headers.is_empty()).then_some(headers)
    }

    /// The validators of a response from a URL, if they are reliable.
    pub(super) fn validators(&self, url: &Url, headers: &HeaderMap) -> Option<Validators> {
        let last_modified = match only(headers, &LAST_MODIFIED) {
            Ok(None) => None,
            Ok(Some(text)) if is_settled(text, headers) => Some(text.to_owned()),
            // An `ETag` may be made of this time.
            Ok(Some(_)) | Err(Unusable) => return None,
        };
        let etag = only(headers, &ETAG).ok().flatten();
        let etag = etag.filter(|etag| is_strong(etag)).map(str::to_owned);
        (etag.is_some() || last_modified.is_some()).then(|| Validators {
            scope: self.scope(url),
            etag,
            last_modified,
        })
    }
}

/// Whether a response with the status 304 names another version than the one that the condition named.
pub(super) fn is_of_another_version(known: &Validators, headers: &HeaderMap) -> bool {
    let opaque = |etag: &str| etag.trim_start_matches("W/").to_owned();
    let is_other_tag = match (only(headers, &ETAG), &known.etag) {
        (Ok(Some(etag)), Some(known)) => opaque(etag) != opaque(known),
        (Err(Unusable), Some(_)) => true,
        _ => false,
    };
    let time = |text: &str| Timestamp::parse_http_date(text).ok();
    let is_other_time = match (only(headers, &LAST_MODIFIED), &known.last_modified) {
        (Ok(Some(modified)), Some(known)) => time(modified) != time(known),
        (Err(Unusable), Some(_)) => true,
        _ => false,
    };
    is_other_tag || is_other_time || omits_time(known, headers)
}

/// Whether a response with the status 304 does not repeat the time that alone was its condition: a version with an older time is
/// not modified either, and nothing else distinguishes it.
fn omits_time(known: &Validators, headers: &HeaderMap) -> bool {
    known.etag.is_none() && matches!(only(headers, &LAST_MODIFIED), Ok(None))
}

/// A header is repeated, or has other characters than ASCII.
struct Unusable;

/// The only value of a header.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unusable> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(Unusable),
    }
}

/// Whether the content was modified at least [`MIN_AGE`] before the response, so that no later modification has the same time.
fn is_settled(last_modified: &str, headers: &HeaderMap) -> bool {
    let times = times::response_times(headers);
    let modified = Timestamp::parse_http_date(last_modified).ok();
    let (Some(modified), Some(date)) = (modified, times.date) else {
        return false;
    };
    // A cache may have renewed `Date`.
    let age = times.age.unwrap_or_default() + times.freshness.unwrap_or_default();
    modified.plus(MIN_AGE) <= date.minus(age)
}

/// Whether an `ETag` identifies the content.
fn is_strong(etag: &str) -> bool {
    let opaque = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    opaque.is_some_and(|opaque| {
        !opaque.is_empty()
            && !opaque.contains('"')
            && etag.len() <= MAX_ETAG_BYTES
            && !CODING_SUFFIXES.iter().any(|end| opaque.ends_with(end))
    })
}

#[cfg(test)]
mod tests;
