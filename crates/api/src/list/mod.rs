//! Lists. The trait `List` defines a list; responses are rendered the same way for all lists.
//!
//! A response is one page of JSON (`page`) or JSON lines (`lines`), by content negotiation. Both use keyset pagination:
//! items after the key of the last item seen.

mod lines;
mod page;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use domain::ports::StoreError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use crate::contract::response::ResponseSpec;
use crate::contract::{headers, schemas, schemas_of};
use crate::problem::Problem;
use crate::request::accept;
use crate::request::query::Query;

pub(crate) use page::{DEFAULT_LIMIT, NextPage};

/// A list with its filters.
pub(crate) trait List: 'static {
    /// An item. Items are ordered by key.
    type Item;
    /// The key of an item.
    type Key;
    /// The JSON view of an item.
    type View<'a>: Serialize;

    /// Reads at most `limit` items after the key, or from the beginning of the list.
    async fn read(
        &self,
        after: Option<Self::Key>,
        limit: u32,
    ) -> Result<Vec<Self::Item>, StoreError>;

    /// Parses a cursor of this list.
    fn parse_cursor(&self, cursor: &str) -> Result<Self::Key, Problem>;

    /// The key of an item.
    fn key(item: &Self::Item) -> Self::Key;

    /// Renders an item.
    fn view(item: &Self::Item) -> Self::View<'_>;

    /// The page of at most `limit` items after the key.
    fn page_after(&self, key: &Self::Key, limit: u32) -> NextPage;
}

/// The request header that selects the format of the response.
const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept"));

/// The description of every list operation.
pub(crate) const DESCRIPTION: &str =
    "Returns one page; with `Accept: application/x-ndjson`, the whole list as JSON lines.";

/// The contract of a response with items of this type.
pub(crate) fn response_of<T: ToSchema>(description: &'static str) -> ResponseSpec {
    let line = schemas::string().description(Some(format!(
        "JSON lines, each with the schema `{}`.",
        T::name()
    )));
    ResponseSpec::empty(description)
        .content(
            "application/json",
            page::schema(Ref::from_schema_name(T::name())),
        )
        .content(lines::MEDIA_TYPE, line)
        .schemas(schemas_of::<T>())
        .header(headers::LINK)
        .header(headers::VARY)
}

/// Responds with the list from the request's cursor on, in the format that the client prefers.
pub(crate) async fn respond<L: List>(
    request: &HttpRequest,
    query: &Query,
    list: L,
) -> Result<HttpResponse, Problem> {
    let cursor = query.get("cursor");
    let after = cursor.map(|cursor| list.parse_cursor(cursor)).transpose()?;
    let limit = query.limit()?;
    if accept::prefers_lines(request) {
        lines::respond(request, list, after, limit).await
    } else {
        page::respond(&list, after, limit.unwrap_or(page::DEFAULT_LIMIT)).await
    }
}

/// Reads at most `limit` items, and returns the next page if there are more.
async fn read_page<L: List>(
    list: &L,
    after: Option<L::Key>,
    limit: u32,
) -> Result<(Vec<L::Item>, Option<NextPage>), Problem> {
    // One additional item shows whether there is a next page.
    let mut items = list.read(after, limit + 1).await?;
    let limit_items = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit_items;
    items.truncate(limit_items);
    let end = items.last().filter(|_| has_more);
    let next = end.map(|item| list.page_after(&L::key(item), limit));
    Ok((items, next))
}
