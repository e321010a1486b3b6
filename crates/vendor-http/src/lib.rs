//! Vendors' stock reports over HTTP.
//!
//! An [`HttpVendorFeed`] asks one vendor with `GET` and reads the JSON that it answers, in whatever shape: JSON pointers
//! say where the list, the product ids and the quantities stand. It reads strictly. What is not plainly a product id or
//! a quantity makes the whole report malformed, because a guess here is stock that is sold and not there.
//!
//! Time and size are bounded: one deadline covers a fetch with all its retries, and no more than the allowed size is
//! ever held. Redirects are not followed, cookies not kept, proxies not used. A response with `Retry-After` ends a fetch at
//! once, and its demand is returned with the error.
//!
//! # The times of a report
//!
//! With the report a feed returns every time that its response has: the document's own as-of, if a pointer to it is
//! configured, `Last-Modified`, `ETag`, `Date`, `Age` and how long caches may reuse it. The domain decides what they prove
//! (`domain::evidence`). A response that says that it is one page of several is refused.

mod document;
mod duplicates;
mod excerpt;
mod exchange;
mod feed;
mod pointer;
mod retry_after;
mod times;

pub use feed::{FeedFormat, HttpVendorFeed, HttpVendorOptions, InvalidOptions};
pub use reqwest::Url;
