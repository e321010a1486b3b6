//! One page of a list, and the way to the next.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;

use crate::request::url_text;

/// How many items more than a page holds are read, to learn whether there is a next page.
pub(crate) const LOOKAHEAD: u32 = 1;

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// Cuts what was read down to a page; if something was left over, returns the page's last item.
pub(crate) fn cut<T>(items: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last()
}

/// Where the next page is.
pub(crate) struct NextPage {
    cursor: String,
    target: String,
}

impl NextPage {
    /// The page of the list at `path` that begins at the cursor.
    pub(crate) fn new(path: &str, limit: u32, cursor: String) -> Self {
        let target = format!("{path}?limit={limit}&cursor={}", url_text::encode(&cursor));
        Self { cursor, target }
    }

    /// Keeps a filter.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(self.target, "&{name}={}", url_text::encode(value));
        }
        self
    }
}

/// Renders a page.
pub(crate) fn render<T: Serialize>(
    items: impl Iterator<Item = T>,
    next: Option<NextPage>,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next {
        response.insert_header((header::LINK, format!("<{}>; rel=\"next\"", next.target)));
    }
    response.json(Page {
        items: items.collect(),
        next_cursor: next.map(|next| next.cursor),
    })
}
