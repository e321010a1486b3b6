//! Vendors with a feed, as they are configured.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::report::ReportKind;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::fields;

/// One entry of `[[vendors]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct VendorSettings {
    /// The vendor; no other has this id.
    #[serde(deserialize_with = "fields::vendor_id")]
    pub id: VendorId,
    /// Where its report is read.
    #[serde(deserialize_with = "fields::http_url")]
    pub url: Url,
    /// How often its report is read.
    #[serde(deserialize_with = "fields::span::<_, 1_000, 86_400_000>")]
    pub sync_interval: Duration,
    /// How long one read may take, with all its retries.
    #[serde(
        default = "default_timeout",
        deserialize_with = "fields::span::<_, 10, 600_000>"
    )]
    pub timeout: Duration,
    /// Largest report that is read, in bytes.
    #[serde(
        default = "default_max_bytes",
        deserialize_with = "fields::whole::<_, _, 1, 1_073_741_824>"
    )]
    pub max_bytes: usize,
    /// How many more times a failed read is tried.
    #[serde(
        default = "default_retries",
        deserialize_with = "fields::whole::<_, _, 0, 10>"
    )]
    pub retries: u32,
    /// Whether a report speaks of all of the vendor's stock.
    #[serde(default = "default_kind", deserialize_with = "report_kind")]
    pub kind: ReportKind,
    /// How old the vendor's numbers may be when it states them: subtracted from what its reports prove.
    #[serde(
        default = "default_lag",
        deserialize_with = "fields::span::<_, 0, 604_800_000>"
    )]
    pub lag: Duration,
    /// The age beyond which the vendor's numbers are not sold from; not set: no limit.
    #[serde(
        default,
        deserialize_with = "fields::optional_span::<_, 1_000, 31_536_000_000>"
    )]
    pub max_age: Option<Duration>,
    /// Where in the report things stand.
    #[serde(default)]
    pub format: VendorFormat,
}

impl VendorSettings {
    /// Where the stock is read: two vendors with the same source have the same stock. The URL is normalised: its scheme and
    /// host are in lower case, and a port that the scheme implies is left out.
    #[must_use]
    pub fn source(&self) -> (Url, &str) {
        let mut url = self.url.clone();
        url.set_fragment(None);
        (url, &self.format.items)
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_max_bytes() -> usize {
    64 * 1024 * 1024
}

fn default_retries() -> u32 {
    2
}

fn default_lag() -> Duration {
    Duration::ZERO
}

fn default_kind() -> ReportKind {
    ReportKind::Full
}

fn report_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ReportKind, D::Error> {
    fields::word(
        deserializer,
        &[("full", ReportKind::Full), ("delta", ReportKind::Delta)],
    )
}

/// Where in a vendor's report things stand, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub struct VendorFormat {
    /// The list, from the document; empty for the document itself.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub items: String,
    /// The product's id, from an item of the list.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub product_id: String,
    /// The number of units, from an item of the list.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub quantity: String,
    /// The instant for which the report is true, from the document; without it `Last-Modified` or `Date` counts.
    #[serde(deserialize_with = "fields::optional_json_pointer")]
    pub as_of: Option<String>,
}

impl Default for VendorFormat {
    fn default() -> Self {
        Self {
            items: String::new(),
            product_id: "/productId".to_owned(),
            quantity: "/quantity".to_owned(),
            as_of: None,
        }
    }
}
