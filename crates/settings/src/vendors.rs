//! Settings of the vendors with a feed.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::report::ReportKind;
use jsonptr::{Pointer, PointerBuf};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::fields;

/// One entry of `[[vendors]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct VendorSettings {
    /// Unique id of the vendor.
    #[serde(deserialize_with = "fields::vendor_id")]
    pub id: VendorId,
    /// URL of the vendor's report.
    #[serde(deserialize_with = "fields::http_url")]
    pub url: Url,
    /// Interval between two syncs.
    #[serde(deserialize_with = "fields::duration::<_, 1_000, 86_400_000>")]
    pub sync_interval: Duration,
    /// Longest duration of one sync's requests, including retries.
    #[serde(
        default = "default_timeout",
        deserialize_with = "fields::duration::<_, 10, 600_000>"
    )]
    pub timeout: Duration,
    /// Maximum size of a report, in bytes.
    #[serde(
        default = "default_max_bytes",
        deserialize_with = "fields::integer::<_, _, 1, 1_073_741_824>"
    )]
    pub max_bytes: usize,
    /// Number of retries of a failed request.
    #[serde(
        default = "default_retries",
        deserialize_with = "fields::integer::<_, _, 0, 10>"
    )]
    pub retries: u32,
    /// Whether a report lists all of the vendor's stock or changes only.
    #[serde(default = "default_kind", deserialize_with = "report_kind")]
    pub kind: ReportKind,
    /// Longest age of the vendor's counts when it reports them; subtracted from the as-of that a report proves.
    #[serde(
        default = "default_lag",
        deserialize_with = "fields::duration::<_, 0, 604_800_000>"
    )]
    pub lag: Duration,
    /// Age beyond which the vendor's stock is not sold; `None` is no limit.
    #[serde(
        default,
        deserialize_with = "fields::optional_duration::<_, 1_000, 31_536_000_000>"
    )]
    pub max_age: Option<Duration>,
    /// Where the fields are in a report.
    #[serde(default)]
    pub format: VendorFormat,
}

impl VendorSettings {
    /// The URL and the items pointer: two vendors with the same source have the same stock. The URL is normalised: scheme
    /// and host are in lower case, and the default port of the scheme is omitted.
    #[must_use]
    pub fn source(&self) -> (Url, &Pointer) {
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
    fields::one_of(
        deserializer,
        &[("full", ReportKind::Full), ("delta", ReportKind::Delta)],
    )
}

/// Where the fields are in a vendor's report, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub struct VendorFormat {
    /// The list of items, relative to the document; empty for the document itself.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub items: PointerBuf,
    /// The product id, relative to an item.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub product_id: PointerBuf,
    /// The number of units, relative to an item.
    #[serde(deserialize_with = "fields::json_pointer")]
    pub quantity: PointerBuf,
    /// The instant for which the report holds, relative to the document; if `None`, `Last-Modified` or `Date` is used.
    #[serde(deserialize_with = "fields::optional_json_pointer")]
    pub as_of: Option<PointerBuf>,
}

impl Default for VendorFormat {
    fn default() -> Self {
        Self {
            items: PointerBuf::root(),
            product_id: PointerBuf::from_tokens(["productId"]),
            quantity: PointerBuf::from_tokens(["quantity"]),
            as_of: None,
        }
    }
}
