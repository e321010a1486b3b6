//! A list as pages: one JSON document per page, with a link to the next page.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};

use super::next_page::with_next;
use super::source::{List, read_page};
use crate::openapi::schemas;
use crate::problem::Problem;
use crate::request::query::MAX_LIMIT;

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
