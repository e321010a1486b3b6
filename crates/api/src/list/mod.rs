//! Lists. The trait `List` defines a list; responses are rendered the same way for all lists.
//!
//! A response is one page of JSON (`page`) or JSON lines (`lines`), by content negotiation. Both use keyset pagination:
//! items after the key of the last item seen.

mod lines;
mod next_page;
mod page;
mod source;

use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use crate::openapi::response::ResponseSpec;
use crate::openapi::{headers, schemas, schemas_of};
use crate::problem::Problem;
use crate::request::accept;
use crate::request::query::Query;

pub(crate) use next_page::NextPage;
pub(crate) use page::DEFAULT_LIMIT;
pub(crate) use source::List;

/// The description of every list operation.
pub(crate) const DESCRIPTION: &str =
    "Returns one page; with `Accept: application/x-ndjson`, the whole list as JSON lines.";

/// The contract of a response with items of this type.
pub(crate) fn response_of<T: ToSchema>(description: &'static str) -> ResponseSpec {
    let line = schemas::string().description(Some(format!(
        "JSON lines, each with the schema `{}`.",
        T::name()
    )));
    let name = format!("{}Page", T::name());
    let page = page::schema(Ref::from_schema_name(T::name()));
    ResponseSpec::empty(description)
        .content("application/json", Ref::from_schema_name(&name))
        .content(lines::MEDIA_TYPE, line)
        .schemas(schemas_of::<T>())
        .schemas([(name, page.into())].into())
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
