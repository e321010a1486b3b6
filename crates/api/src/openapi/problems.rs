//! Error responses.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::Ref;

use super::headers::{
    RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID, RETRY_AFTER, RETRY_AFTER_OF_VENDOR, WWW_AUTHENTICATE,
};
use super::response::ResponseSpec;
use crate::problem::{Document, ProblemKind};

/// The kinds of each status, in the order of `kinds`.
pub(super) fn by_status(kinds: &[ProblemKind]) -> BTreeMap<u16, Vec<ProblemKind>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        let status = kind.status().as_u16();
        by_status.entry(status).or_default().push(*kind);
    }
    by_status
}

/// The name of the response component for these kinds.
pub(super) fn component(kinds: &[ProblemKind]) -> String {
    let names: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
    names.join("Or")
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
        .content("application/problem+json", schema())
        .examples(examples)
        .header(REQUEST_ID);
    let has = |wanted: &[ProblemKind]| kinds.iter().any(|kind| wanted.contains(kind));
    let response = if has(&[ProblemKind::Unavailable, ProblemKind::RateLimited]) {
        response.header(RETRY_AFTER)
    } else if has(&[ProblemKind::VendorUnavailable]) {
        response.header(RETRY_AFTER_OF_VENDOR)
    } else if has(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden]) {
        response.header(WWW_AUTHENTICATE)
    } else {
        response
    };
    // Unauthenticated requests do not count towards the rate limit.
    if has(&[ProblemKind::Unauthenticated]) {
        response
    } else {
        response.header(RATE_LIMIT).header(RATE_LIMIT_POLICY)
    }
}

/// The schema of every problem.
pub(crate) fn schema() -> Ref {
    Ref::from_schema_name(Document::name())
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
