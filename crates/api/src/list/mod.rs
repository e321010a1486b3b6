//! Lists: what each is says the trait, how they are answered is the same for all.
//!
//! A list is a page of JSON, or lines of it (`lines`), as the client prefers. Either reads by keyset: what comes after the
//! last item that was seen.

mod lines;
mod page;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use domain::ports::StoreError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use crate::contract::answer::Answer;
use crate::contract::{headers, schemas, schemas_of};
use crate::failure;
use crate::problem::Problem;
use crate::request::accept;
use crate::request::query::Query;

pub(crate) use page::{DEFAULT_LIMIT, NextPage};

/// A list with its filters.
pub(crate) trait List: 'static {
    /// What it holds, in the order of its keys.
    type Item;
    /// Names an item's place.
    type Key;
    /// An item as it is shown.
    type View<'a>: Serialize;

    /// At most `limit` items after the key, or from the beginning.
    async fn read(
        &self,
        after: Option<Self::Key>,
        limit: u32,
    ) -> Result<Vec<Self::Item>, StoreError>;

    /// The place that a cursor of this list names.
    fn read_cursor(&self, cursor: &str) -> Result<Self::Key, Problem>;

    /// An item's place.
    fn key(item: &Self::Item) -> Self::Key;

    /// How an item is shown.
    fn view(item: &Self::Item) -> Self::View<'_>;

    /// The page of so many items after the key.
    fn page_after(&self, key: &Self::Key, limit: u32) -> NextPage;
}

/// Which answer it is depends on this header.
const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept"));

/// How any list is read.
pub(crate) const DESCRIPTION: &str =
    "A page at a time; with `Accept: application/x-ndjson` all of it, one JSON object a line.";

/// The contract of an answer with such items.
pub(crate) fn answer_of<T: ToSchema>(description: &'static str) -> Answer {
    let line = schemas::string().description(Some(format!(
        "Lines, each of them JSON as `{}` has it.",
        T::name()
    )));
    Answer::empty(description)
        .content(
            "application/json",
            page::schema(Ref::from_schema_name(T::name())),
        )
        .content(lines::MEDIA_TYPE, line)
        .schemas(schemas_of::<T>())
        .header(headers::LINK)
        .header(headers::VARY)
}

/// Answers a list from the request's cursor on, in the form that the client prefers.
pub(crate) async fn answer<L: List>(
    request: &HttpRequest,
    query: &Query,
    list: L,
) -> Result<HttpResponse, Problem> {
    let cursor = query.get("cursor");
    let after = cursor.map(|cursor| list.read_cursor(cursor)).transpose()?;
    let limit = query.limit()?;
    if accept::prefers_lines(request) {
        lines::answer(request, list, after, limit).await
    } else {
        page::answer(&list, after, limit.unwrap_or(page::DEFAULT_LIMIT)).await
    }
}

/// Reads at most `limit` items, and tells where the next page is if there are more.
async fn read_page<L: List>(
    list: &L,
    after: Option<L::Key>,
    limit: u32,
) -> Result<(Vec<L::Item>, Option<NextPage>), Problem> {
    // One more, to learn whether there is a next page.
    let read = list.read(after, limit + 1).await;
    let mut items = read.map_err(|failure| failure::of_store(&failure))?;
    let limit_items = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = items.len() > limit_items;
    items.truncate(limit_items);
    let end = items.last().filter(|_| is_more);
    let next = end.map(|item| list.page_after(&L::key(item), limit));
    Ok((items, next))
}
