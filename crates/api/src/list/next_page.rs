//! The link to the next page of a list.

use std::fmt::Write as _;

use actix_web::http::header::{self, HeaderName, HeaderValue, TryIntoHeaderPair};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::request::url_text;

/// The request header that selects the format of the response.
const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept"));

/// The cursor and URL of the next page.
pub(crate) struct NextPage {
    pub(super) cursor: String,
    target: String,
}

impl NextPage {
    /// The page of the list at `path` that starts at the cursor.
    pub(crate) fn new(path: &str, limit: u32, cursor: String) -> Self {
        let target = format!("{path}?limit={limit}&cursor={}", url_text::encode(&cursor));
        Self { cursor, target }
    }

    /// Adds a filter to the URL.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(self.target, "&{name}={}", url_text::encode(value));
        }
        self
    }

    /// The `Link` header.
    fn link(&self) -> impl TryIntoHeaderPair + use<> {
        (header::LINK, format!("<{}>; rel=\"next\"", self.target))
    }
}

/// A response with a link to the next page, if there is one.
pub(super) fn with_next(next: Option<&NextPage>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header(VARY);
    if let Some(next) = next {
        response.insert_header(next.link());
    }
    response
}
