//! Settings of the vendors with a feed.

mod decode;
mod format;
mod guard;
mod mapping;
mod rules;
mod source;

use std::time::Duration;

use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::report::ReportKind;
use feed_options::{AfterRead, FieldOptions, FormatOptions, JsonItems, JsonOptions, RuleOptions};
use serde::{Deserialize, Deserializer};
use url::{Url, form_urlencoded};

pub use self::decode::DecodeSettings;
pub use self::source::{
    AccessKeySettings, BucketSettings, FtpsSettings, FtpsTls, HeaderSetting, HttpAuthSettings,
    HttpSettings, RedirectHostSetting, SecretSource, SftpLoginSettings, SftpSettings,
    SourceSettings,
};

use crate::fields;

/// An invalid setting: its name, relative to the vendor and empty for the vendor itself, and the problem.
pub(crate) type Problem = (String, String);

fn problem(name: impl Into<String>, text: impl Into<String>) -> Problem {
    (name.into(), text.into())
}

/// One entry of `[[vendors]]`.
#[derive(Debug, Clone)]
pub struct VendorSettings {
    /// Unique id of the vendor.
    pub id: VendorId,
    /// Where the report is.
    pub source: SourceSettings,
    /// The treatment of its file once it was applied.
    pub after: AfterRead,
    /// Interval between two syncs; `None` if the vendor pushes its reports.
    pub sync_interval: Option<Duration>,
    /// Longest duration of one sync's requests, including retries.
    pub timeout: Duration,
    /// Number of retries of a failed request.
    pub retries: u32,
    /// Whether a report lists all of the vendor's stock or changes only.
    pub kind: ReportKind,
    /// Longest age of the vendor's counts when it reports them; subtracted from the as-of that a report proves.
    pub lag: Duration,
    /// Age beyond which the vendor's stock is not sold; `None` is no limit.
    pub max_age: Option<Duration>,
    /// How the bytes of a report become text.
    pub decode: DecodeSettings,
    /// How the text becomes records.
    pub format: FormatOptions,
    /// Which fields of a record are the product id and the quantity.
    pub fields: FieldOptions,
    /// The meaning of values that are not a count of units.
    pub rules: RuleOptions,
    /// How much one report may take away before it is held in quarantine.
    pub guard: Guard,
}

impl VendorSettings {
    /// The source of the stock, equal for two vendors with the same stock: the URL, and the part of what is there. The URL is
    /// normalised: scheme and host are in lower case, and the default port of the scheme is omitted.
    #[must_use]
    pub fn stock_source(&self) -> (Url, String) {
        let mut url = self.source.url().clone();
        url.set_fragment(None);
        (url, self.part_of_source())
    }

    /// The part of what is at the URL: the path of the items, which is empty or starts with `/`. The account, the name of the
    /// archive's entry and that of the sheet are before it, if they are set, and `#` between them.
    #[must_use]
    pub fn part_of_source(&self) -> String {
        let (items, sheet) = match &self.format {
            FormatOptions::Json(json) => (json.items.as_str(), None),
            FormatOptions::Xml(xml) => (xml.items.as_str(), None),
            FormatOptions::Xlsx(xlsx) => ("", xlsx.sheet.as_deref()),
            _ => ("", None),
        };
        let account = self.source.account();
        let names = [
            ("account", account),
            ("entry", self.decode.entry.as_deref()),
            ("sheet", sheet),
        ];
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        for (name, value) in names {
            if let Some(value) = value {
                encoded.append_pair(name, value);
            }
        }
        match encoded.finish() {
            names if names.is_empty() => items.to_owned(),
            names => format!("{names}#{items}"),
        }
    }
}

/// One entry of `[[vendors]]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub(crate) struct VendorTable {
    #[serde(deserialize_with = "fields::vendor_id")]
    id: VendorId,
    /// Short form of `source`.
    #[serde(default, deserialize_with = "source::optional_http_url")]
    url: Option<Url>,
    #[serde(
        default,
        deserialize_with = "fields::optional_duration::<_, 1_000, 86_400_000>"
    )]
    sync_interval: Option<Duration>,
    #[serde(
        default = "default_timeout",
        deserialize_with = "fields::duration::<_, 10, 600_000>"
    )]
    timeout: Duration,
    /// Short form of `decode.max_bytes`.
    #[serde(default, deserialize_with = "decode::optional_max_bytes")]
    max_bytes: Option<u64>,
    #[serde(default, deserialize_with = "fields::optional_integer::<_, _, 0, 10>")]
    retries: Option<u32>,
    #[serde(default, deserialize_with = "report_kind")]
    kind: Option<ReportKind>,
    #[serde(default, deserialize_with = "fields::duration::<_, 0, 604_800_000>")]
    lag: Duration,
    #[serde(
        default,
        deserialize_with = "fields::optional_duration::<_, 1_000, 31_536_000_000>"
    )]
    max_age: Option<Duration>,
    source: Option<source::SourceTable>,
    #[serde(default)]
    decode: decode::DecodeTable,
    #[serde(default)]
    format: format::FormatTable,
    #[serde(default)]
    fields: mapping::FieldsTable,
    #[serde(default)]
    rules: rules::RulesTable,
    #[serde(default)]
    guard: guard::GuardTable,
}

impl VendorTable {
    /// Validates the settings against each other.
    pub(crate) fn check(self) -> Result<VendorSettings, Problem> {
        let after = self.source.as_ref().map(source::SourceTable::after);
        let source = match (self.url, self.source) {
            (Some(url), None) => SourceSettings::Http(Box::new(HttpSettings::new(url))),
            (None, Some(source)) => source.check(&self.id, self.format.kind())?,
            (None, None) => return Err(problem("", "url is missing")),
            (Some(_), Some(_)) => {
                let text =
                    "is the short form of source, which is also set, expected one of the two";
                return Err(problem("url", text));
            }
        };
        source.check_schedule(self.sync_interval, self.retries)?;
        let format = self.format.check()?;
        let context = mapping::Context {
            kind: self.format.kind(),
            is_map: matches!(
                format,
                FormatOptions::Json(JsonOptions {
                    items_are: JsonItems::Map,
                    ..
                })
            ),
            product_id: self.format.product_id.as_ref(),
            quantity: self.format.quantity.as_ref(),
        };
        let fields = self.fields.check(&context)?;
        let (rules, kind) = self.rules.check(self.kind)?;
        let guard = self.guard.check(kind, &rules)?;
        Ok(VendorSettings {
            id: self.id,
            source,
            after: after.unwrap_or_default(),
            sync_interval: self.sync_interval,
            timeout: self.timeout,
            retries: self.retries.unwrap_or(DEFAULT_RETRIES),
            kind,
            lag: self.lag,
            max_age: self.max_age,
            decode: self.decode.check(self.max_bytes)?,
            format,
            fields,
            rules,
            guard,
        })
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

const DEFAULT_RETRIES: u32 = 2;

fn report_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReportKind>, D::Error> {
    let choices = [("full", ReportKind::Full), ("delta", ReportKind::Delta)];
    fields::one_of(deserializer, &choices).map(Some)
}
