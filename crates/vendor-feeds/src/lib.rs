//! Vendors' stock reports.
//!
//! A [`SourceFeed`] transfers one vendor's document from its source, removes archives and compression, reads the records of its
//! format as a stream, and applies the field mapping and the rules. The four are independent: any combination of
//! [`FeedOptions`] is valid. Parsing is strict: a product id or a quantity that the rules do not cover makes the whole report
//! malformed, because a guess could sell stock that does not exist.
//!
//! Time and size are bounded: one timeout covers a fetch with all its retries, and the sizes before and after decompression
//! are limited by [`DecodeOptions`]. Memory does not grow with the size of the document, only with the number of products.
//!
//! Sources with a library of their own are behind the features `sftp`, `ftps` and `bucket`, which are off by default: they take
//! longer to build than the rest of this crate.
//!
//! # The times of a report
//!
//! A feed returns the report together with all times of the response: the as-of of the document, if the options name it,
//! `Last-Modified`, `ETag`, `Date`, `Age` and the freshness lifetime; of a file its modification time. Of a report in pages each
//! time is the earliest of all pages. The domain decides what they prove (`domain::evidence`).

mod as_of;
mod decode;
mod excerpt;
mod feed;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod number;
mod options;
mod page;
mod parser;
mod record;
mod rules;
mod sample;
mod secrets;
mod source;
mod times;

pub use encoding_rs::Encoding;
pub use feed::{InvalidOptions, PushOptions, PushReceiver, SourceFeed};
pub use ipnet::IpNet;
pub use options::*;
pub use reqwest::Url;
pub use sample::{MAX_SAMPLED, Sample, SampledField, SampledRecord, Sampler};
pub use secrecy::SecretString;
pub use url::Host;
