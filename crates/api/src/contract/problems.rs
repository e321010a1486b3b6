//! Answers that say why not.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

use super::answer::Answer;
use super::headers::{RETRY_AFTER, RETRY_AFTER_OF_VENDOR, WWW_AUTHENTICATE};
use super::{schemas, schemas_of};
use crate::problem::{Document, ProblemKind};

/// The answers for these kinds, by status.
pub(super) fn answers(kinds: &[ProblemKind]) -> BTreeMap<u16, Answer> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status
            .entry(kind.status().as_u16())
            .or_default()
            .push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status, answer(&kinds)))
        .collect()
}

/// The answer of one status, for these kinds.
pub(super) fn answer(kinds: &[ProblemKind]) -> Answer {
    let told = kinds
        .iter()
        .map(|kind| format!("[`{0}`](/problems/{0}): {1}.", kind.slug(), kind.title()));
    let told: Vec<String> = told.collect();
    let examples = kinds
        .iter()
        .map(|kind| (kind.slug().to_owned(), example(*kind)));
    let answer = Answer::empty(told.join(" "))
        .content("application/problem+json", schema(kinds))
        .examples(examples)
        .schemas(schemas_of::<Document<'_>>());
    let has = |wanted: &[ProblemKind]| kinds.iter().any(|kind| wanted.contains(kind));
    if has(&[ProblemKind::Unavailable, ProblemKind::RateLimited]) {
        answer.header(RETRY_AFTER)
    } else if has(&[ProblemKind::VendorUnavailable]) {
        answer.header(RETRY_AFTER_OF_VENDOR)
    } else if has(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden]) {
        answer.header(WWW_AUTHENTICATE)
    } else {
        answer
    }
}

/// A problem of one of these kinds.
pub(super) fn schema(kinds: &[ProblemKind]) -> RefOr<Schema> {
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
