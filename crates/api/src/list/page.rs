//! A list as pages: one JSON document per page, with a link to the next page.

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

/// Maximum number of items of a page if the client sends no `limit`.
pub(crate) const DEFAULT_LIMIT: u32 = 100;

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// The schema of a page of these items.
pub(super) fn schema(item: Ref) -> ObjectBuilder {
    let items = ArrayBuilder::new()
        .items(item)
        .max_items(usize::try_from(MAX_LIMIT).ok());
    let next_cursor = schemas::text_or_null()
        .description(Some("The cursor of the next page; null on the last page."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("items", items)
        .property("next_cursor", next_cursor)
        .required("items")
        .required("next_cursor")
}

/// The cursor and URL of the next page.
pub(crate) struct NextPage {
    cursor: String,
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
    pub(super) fn link(&self) -> impl TryIntoHeaderPair + use<> {
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

/// Responds with one page.
pub(super) async fn respond<L: List>(
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
