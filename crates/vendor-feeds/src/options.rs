//! The options of a feed: source × decoding × format × fields × rules, as the settings state them. They are checked where a
//! feed is created; each combination is valid.

mod http;
mod remote;

use std::path::PathBuf;
use std::time::Duration;

use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::report::ReportKind;
use encoding_rs::Encoding;
use sha2::{Digest as _, Sha256};

pub use self::http::{HeaderText, HttpAuth, HttpHeader, HttpOptions, RedirectHost};

pub use feed_options::*;

pub use self::remote::{AccessKey, BucketOptions, FtpsOptions, FtpsTls, SftpLogin, SftpOptions};

/// Options of a vendor's feed.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// Id of the vendor.
    pub vendor_id: VendorId,
    /// Where the report is.
    pub source: Source,
    /// The treatment of its file once it was applied.
    pub after: AfterRead,
    /// How its bytes become text.
    pub decode: DecodeOptions,
    /// How the text becomes records.
    pub format: FormatOptions,
    /// Which fields of a record are the product id and the quantity.
    pub fields: FieldOptions,
    /// The meaning of values that are not a count of units.
    pub rules: RuleOptions,
    /// Longest duration of a fetch, including retries.
    pub timeout: Duration,
    /// Number of retries after transient failures.
    pub retries: u32,
    /// Whether a report lists all of the vendor's stock or changes only.
    pub kind: ReportKind,
    /// Longest age of the vendor's counts when it reports them.
    pub lag: Duration,
    /// Age beyond which the vendor's stock is not sold; `None` is no limit.
    pub max_age: Option<Duration>,
    /// How much one report may take away before it is held in quarantine.
    pub guard: Guard,
}

impl FeedOptions {
    /// Identifies the options, without secrets, and the version of the program: with others, the same document may be another
    /// report.
    pub(crate) fn digest(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        hex::encode(Sha256::digest(format!("{version} {self:?}")))
    }
}

/// Where a report is.
#[derive(Debug, Clone)]
pub enum Source {
    /// At a URL with the scheme `http` or `https`.
    Http(Box<HttpOptions>),
    /// In a local directory.
    File {
        /// The path. Its last component may contain `*`: the newest file that matches is read, or the oldest of
        /// deltas that do not stay.
        path: PathBuf,
    },
    /// On an SFTP server. Requires the feature `sftp`.
    Sftp(SftpOptions),
    /// On an FTP server with TLS. Requires the feature `ftps`.
    Ftps(FtpsOptions),
    /// In a bucket of an S3-compatible service. Requires the feature `bucket`.
    Bucket(BucketOptions),
}

/// How bytes become text. Archives and compression are recognized by their first bytes, whatever the name.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// Encoding of the text. `None`: that of the byte order mark, else of the document's own declaration, else UTF-8.
    pub charset: Option<&'static Encoding>,
    /// Name of the entry to read from an archive. `None`: its only one.
    pub entry: Option<String>,
    /// Maximum size of the document as it is transferred, in bytes.
    pub max_bytes: u64,
    /// Maximum size of the document after decompression, in bytes.
    pub max_decoded_bytes: u64,
    /// Maximum ratio of the two.
    pub max_ratio: u32,
}
