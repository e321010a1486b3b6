//! The source of a vendor that pushes its reports, and the settings that other sources have and this one has not.

use std::fmt::Write as _;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::vendor_set::PUSH_SCHEME;
use url::Url;

use super::SourceSettings;
use crate::vendors::{Problem, problem};

const IS_PUSHED: &str =
    "the vendor pushes its reports (source.type = \"push\"), expected no such setting";

/// The source of a vendor. Its URL has the id as a path segment, in which only letters, digits, `-`, `.`, `_` and `~` are
/// not encoded.
pub(super) fn source(vendor_id: &VendorId, url: Option<&str>) -> Result<SourceSettings, Problem> {
    if url.is_some() {
        return Err(problem("source.url", format!("is set, but {IS_PUSHED}")));
    }
    let mut text = PUSH_SCHEME.to_owned();
    for byte in vendor_id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    let url = Url::parse(&text);
    url.map(|url| SourceSettings::Push { url })
        .map_err(|error| problem("id", format!("cannot be part of a URL: {error}")))
}

impl SourceSettings {
    /// Checks the settings of scheduled requests: required, or refused for a vendor that pushes its reports.
    pub(in crate::vendors) fn check_schedule(
        &self,
        sync_interval: Option<Duration>,
        retries: Option<u32>,
    ) -> Result<(), Problem> {
        if !matches!(self, Self::Push { .. }) {
            return match sync_interval {
                Some(_) => Ok(()),
                None => Err(problem("", "sync_interval is missing")),
            };
        }
        let set = [
            ("sync_interval", sync_interval.is_some()),
            ("retries", retries.is_some()),
        ];
        match set.into_iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(problem(name, format!("is set, but {IS_PUSHED}"))),
            None => Ok(()),
        }
    }
}
