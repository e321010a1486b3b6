//! Parameters that several operations share.

use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required, Schema};

use super::schemas::{self, integer, string};
use crate::list::DEFAULT_LIMIT;
use crate::request::query::MAX_LIMIT;

/// The parameters of every list.
pub(crate) fn paging() -> [Parameter; 2] {
    let limit = integer(1, i64::from(MAX_LIMIT)).default(Some(json!(DEFAULT_LIMIT)));
    let cursor = string()
        .min_length(Some(1))
        .pattern(Some("^[A-Za-z0-9_-]+$"));
    [
        query(
            "limit",
            limit,
            "Maximum number of items of a page, or of lines. Without it, all lines are returned.",
        ),
        query(
            "cursor",
            cursor,
            "`next_cursor` of the previous page, with the same filters.",
        ),
    ]
}

pub(crate) fn order_id() -> Parameter {
    in_path("id", schemas::order_id())
}

pub(crate) fn idempotency_key() -> Parameter {
    header(
        "Idempotency-Key",
        schemas::idempotency_key(),
        "Identifies the request, so that it can be repeated safely if its response was lost: a repeat \
         with an equal body returns the result of the first request, with the orders in their \
         current state. Kept for at least 24 hours, and scoped to the API key.",
    )
}

pub(crate) fn in_path(name: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(ParameterIn::Path, name, schema).build()
}

pub(crate) fn query(name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Parameter {
    parameter(ParameterIn::Query, name, schema)
        .description(Some(description))
        .build()
}

pub(crate) fn header(name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Parameter {
    parameter(ParameterIn::Header, name, schema)
        .description(Some(description))
        .build()
}

fn parameter(
    location: ParameterIn,
    name: &str,
    schema: impl Into<RefOr<Schema>>,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(location)
        // utoipa makes path parameters required regardless.
        .required(Required::False)
        .schema(Some(schema))
}
