//! Vendors' stock reports over HTTP.
//!
//! An [`HttpVendorFeed`] asks one vendor with `GET` and reads the JSON that it answers, in whatever shape: JSON pointers
//! say where the list, the product ids and the quantities stand. It reads strictly. What is not plainly a product id or
//! a quantity makes the whole report malformed, because a guess here is stock that is sold and not there.
//!
//! Time and size are bounded: one deadline covers a fetch with all its retries, and no more than the allowed size is
//! ever held. Redirects are not followed, cookies not kept, proxies not used.
//!
//! # The moment for which a report is true
//!
//! In this order: what the document says, if a pointer to it is configured; the response's `Date` less its `Age`; nothing,
//! and then the moment of asking counts. A response that a cache has held and that names no `Date` is refused.

mod document;
mod excerpt;
mod exchange;
mod feed;
mod pointer;

pub use feed::{FeedFormat, HttpVendorFeed, HttpVendorOptions, InvalidOptions};
pub use reqwest::Url;
