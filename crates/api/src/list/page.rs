//! A list as pages: one JSON document each, with the way to the next.

use std::fmt::Write as _;

use actix_web::http::header::{self, TryIntoHeaderPair};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};

use super::{List, VARY, read_page};
use crate::contract::schemas;
use crate::problem::Problem;
use crate::request::query::MAX_LIMIT;
use crate::request::url_text;

/// How many items a page has at most, unless the client says.
pub(crate) const DEFAULT_LIMIT: u32 = 100;

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// The schema of a page of such items.
pub(super) fn schema(item: Ref) -> ObjectBuilder {
    let items = ArrayBuilder::new()
        .items(item)
        .max_items(usize::try_from(MAX_LIMIT).ok());
    let next_cursor = schemas::text_or_null()
        .description(Some("Where the next page begins; null on the last one."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("items", items)
        .property("next_cursor", next_cursor)
        .required("items")
        .required("next_cursor")
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

    /// The header that names it.
    pub(super) fn link(&self) -> impl TryIntoHeaderPair + use<> {
        (header::LINK, format!("<{}>; rel=\"next\"", self.target))
    }
}

/// An answer that names the next page, if there is one.
pub(super) fn with_next(next: Option<&NextPage>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header(VARY);
    if let Some(next) = next {
        response.insert_header(next.link());
    }
    response
}

/// Answers a page.
pub(super) async fn answer<L: List>(
    list: &L,
    after: Option<L::Key>,
    limit: u32,
) -> Result<HttpResponse, Problem> {
    let (items, next) = read_page(list, after, limit).await?;
    let mut response = with_next(next.as_ref());
    Ok(response.json(Page {
        items: items.iter().map(L::view).collect(),
        next_cursor: next.map(|next| next.cursor),
    }))
}
