//! Error responses.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

use super::headers::{RETRY_AFTER, RETRY_AFTER_OF_VENDOR, WWW_AUTHENTICATE};
use super::named_schemas::schemas_of;
use super::response::ResponseSpec;
use super::schemas;
use crate::problem::{Document, ProblemKind};

/// The responses for these kinds, by status.
pub(super) fn responses(kinds: &[ProblemKind]) -> BTreeMap<u16, ResponseSpec> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status
            .entry(kind.status().as_u16())
            .or_default()
            .push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status, response(&kinds)))
        .collect()
}

/// The response for these kinds, which share a status.
pub(super) fn response(kinds: &[ProblemKind]) -> ResponseSpec {
    let titles = kinds
        .iter()
        .map(|kind| format!("[`{0}`](/problems/{0}): {1}.", kind.slug(), kind.title()));
    let titles: Vec<String> = titles.collect();
    let examples = kinds
        .iter()
        .map(|kind| (kind.slug().to_owned(), example(*kind)));
    let response = ResponseSpec::empty(titles.join(" "))
        .content("application/problem+json", schema(kinds))
        .examples(examples)
        .schemas(schemas_of::<Document<'_>>());
    let has = |wanted: &[ProblemKind]| kinds.iter().any(|kind| wanted.contains(kind));
    if has(&[ProblemKind::Unavailable, ProblemKind::RateLimited]) {
        response.header(RETRY_AFTER)
    } else if has(&[ProblemKind::VendorUnavailable]) {
        response.header(RETRY_AFTER_OF_VENDOR)
    } else if has(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden]) {
        response.header(WWW_AUTHENTICATE)
    } else {
        response
    }
}

/// The schema of a problem of one of these kinds.
pub(crate) fn schema(kinds: &[ProblemKind]) -> RefOr<Schema> {
    let types = kinds.iter().map(|kind| kind.type_uri());
    let mut statuses: Vec<u16> = kinds.iter().map(|kind| kind.status().as_u16()).collect();
    statuses.dedup();
    let status = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some(statuses));
    let narrowed = ObjectBuilder::new()
        .property("type", schemas::string().enum_values(Some(types)))
        .property("status", status);
    AllOfBuilder::new()
        .item(Ref::from_schema_name(Document::name()))
        .item(narrowed)
        .into()
}

fn example(kind: ProblemKind) -> Value {
    let mut example = json!({
        "type": kind.type_uri(),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "detail": "…",
    });
    if kind == ProblemKind::ValidationFailed {
        let detail = "must be an integer from 1 to 1000000";
        example["detail"] = json!(format!("/quantity {detail}"));
        example["errors"] = json!([{"pointer": "/quantity", "detail": detail}]);
    }
    example
}
