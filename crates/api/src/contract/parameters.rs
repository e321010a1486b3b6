//! The parameters that several operations share.

use serde_json::json;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::ObjectBuilder;

use super::schemas::{self, integer, string};
use crate::list::DEFAULT_LIMIT;
use crate::request::query::MAX_LIMIT;

/// Those of every list.
pub(super) fn paging() -> [Parameter; 2] {
    let limit = integer(1, i64::from(MAX_LIMIT)).default(Some(json!(DEFAULT_LIMIT)));
    let cursor = string()
        .min_length(Some(1))
        .pattern(Some("^[A-Za-z0-9_-]+$"));
    [
        query(
            "limit",
            limit,
            "Most items of a page; of lines, most lines, all of them if it is not given.",
        ),
        query(
            "cursor",
            cursor,
            "Where the page begins: `next_cursor` of the page before, with the same filters.",
        ),
    ]
}

pub(super) fn order_id() -> Parameter {
    in_path("id", schemas::order_id())
}

pub(super) fn idempotency_key() -> Parameter {
    header(
        "Idempotency-Key",
        schemas::idempotency_key(),
        "The client's name for this request, so that it can be repeated when its answer was \
         lost: a repeat with an equal body answers as the first did, with the orders as they are \
         by now. Kept for 24 hours at least, and each API key's own.",
    )
}

pub(super) fn in_path(name: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Path, name, schema).build()
}

pub(super) fn query(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    parameter(ParameterIn::Query, name, schema)
        .description(Some(description))
        .build()
}

pub(super) fn header(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    parameter(ParameterIn::Header, name, schema)
        .description(Some(description))
        .build()
}

fn parameter(location: ParameterIn, name: &str, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(location)
        // Of a path's it makes a required one all the same.
        .required(Required::False)
        .schema(Some(schema))
}
