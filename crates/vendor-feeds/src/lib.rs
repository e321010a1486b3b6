//! Vendors' stock reports over HTTP.
//!
//! An [`HttpVendorFeed`] sends `GET` requests to one vendor and parses JSON responses of any structure: JSON pointers locate
//! the list, the product ids and the quantities. Parsing is strict: an invalid product id or quantity makes the whole report
//! malformed, because a guess could sell stock that does not exist.
//!
//! Time and size are bounded: one timeout covers a fetch with all its retries, and at most the configured number of bytes is
//! read. Redirects are not followed, cookies are not kept, and proxies are not used. A response with `Retry-After` ends the
//! fetch immediately, and the error contains the delay.
//!
//! # The times of a report
//!
//! A feed returns the report together with all times of the response: the as-of of the document, if its pointer is
//! configured, `Last-Modified`, `ETag`, `Date`, `Age` and the freshness lifetime. The domain decides what they prove
//! (`domain::evidence`). A response that is one page of several is rejected.

mod document;
mod duplicates;
mod excerpt;
mod exchange;
mod feed;
mod pointer;
mod retry_after;
mod times;

pub use document::FeedFormat;
pub use feed::{HttpVendorFeed, HttpVendorOptions, InvalidOptions};
pub use reqwest::Url;
