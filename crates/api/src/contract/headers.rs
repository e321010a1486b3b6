//! The headers of answers.

use serde_json::{Value, json};
use utoipa::openapi::Ref;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::ObjectBuilder;

use super::schemas::{integer, string, words};

/// A header of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderName {
    /// Its name in a response.
    pub(super) name: &'static str,
    /// Its name among the components of the document.
    component: &'static str,
}

impl HeaderName {
    const fn new(name: &'static str) -> Self {
        let component = name;
        Self { name, component }
    }
}

pub(crate) const ALLOW: HeaderName = HeaderName::new("Allow");
pub(crate) const ETAG: HeaderName = HeaderName::new("ETag");
pub(crate) const LINK: HeaderName = HeaderName::new("Link");
pub(crate) const LOCATION: HeaderName = HeaderName::new("Location");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::new("Preference-Applied");
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::new("RateLimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::new("RateLimit-Policy");
pub(crate) const REPLAYED: HeaderName = HeaderName::new("Idempotent-Replayed");
pub(crate) const RETRY_AFTER: HeaderName = HeaderName::new("Retry-After");
/// The same, where it depends on the vendor.
pub(crate) const RETRY_AFTER_OF_VENDOR: HeaderName = HeaderName {
    name: "Retry-After",
    component: "Retry-After-Of-Vendor",
};
pub(crate) const VARY: HeaderName = HeaderName::new("Vary");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::new("X-Request-Id");
pub(crate) const WWW_AUTHENTICATE: HeaderName = HeaderName::new("WWW-Authenticate");

pub(super) fn reference(name: HeaderName) -> Ref {
    Ref::new(format!("#/components/headers/{}", name.component))
}

/// Every header, to refer to.
#[expect(clippy::too_many_lines, reason = "a few lines for each header")]
pub(super) fn all() -> impl Iterator<Item = (&'static str, Header)> {
    [
        (
            ALLOW,
            always(
                string(),
                "The methods that this path has.",
                json!("GET, HEAD, POST, OPTIONS"),
            ),
        ),
        (
            ETAG,
            always(
                string().pattern(Some("^\"[^\"]+\"$")),
                "The version that the order is in; give it back in `If-Match` or `If-None-Match`.",
                json!("\"42-CONFIRMED-6447c1d7a2f00\""),
            ),
        ),
        (
            LINK,
            sometimes(
                string(),
                "Where the next page is (RFC 8288); absent on the last one.",
                json!("</api/v1/orders?limit=100&cursor=AQAAAAAAAAAqZ2s8>; rel=\"next\""),
            ),
        ),
        (
            LOCATION,
            always(string(), "Where the order is.", json!("/api/v1/orders/42")),
        ),
        (
            PREFERENCE_APPLIED,
            always(
                words(["wait"]),
                "The preference that was met (RFC 7240).",
                json!("wait"),
            ),
        ),
        (
            RATE_LIMIT,
            sometimes(
                string(),
                "What is left of the rate limit: `r` requests now, and one more after `t` seconds. \
             Absent if requests are not limited.",
                json!("\"default\";r=598;t=1"),
            ),
        ),
        (
            RATE_LIMIT_POLICY,
            sometimes(
                string(),
                "The rate limit: `q` requests in `w` seconds. Absent if requests are not limited.",
                json!("\"default\";q=600;w=60"),
            ),
        ),
        (
            REPLAYED,
            sometimes(
                words(["true"]),
                "There if an earlier request with the same `Idempotency-Key` was answered with the \
             same.",
                json!("true"),
            ),
        ),
        (
            RETRY_AFTER,
            always(
                integer(1, i64::from(u32::MAX)),
                "After how many seconds to try again.",
                json!(1),
            ),
        ),
        (
            RETRY_AFTER_OF_VENDOR,
            sometimes(
                integer(1, 86_400),
                "After how many seconds the vendor can be asked again, rounded up. Absent unless the vendor sent \
             `Retry-After`.",
                json!(60),
            ),
        ),
        (
            REQUEST_ID,
            always(
                string().pattern(Some("^[!-~]{1,128}$")),
                "The request's own `X-Request-Id` if it is 1 to 128 visible ASCII characters, else a new \
             one. It is in problems and in the service's log.",
                json!("9f1c2b7e5a604d3c8e7f0a1b2c3d4e5f"),
            ),
        ),
        (
            VARY,
            always(
                string(),
                "What the answer depends on besides the address.",
                json!("accept"),
            ),
        ),
        (
            WWW_AUTHENTICATE,
            always(
                string(),
                "What would be enough (RFC 6750).",
                json!("Bearer realm=\"order-aggregator\""),
            ),
        ),
    ]
    .into_iter()
    .map(|(name, header)| (name.component, header))
}

fn sometimes(schema: ObjectBuilder, description: &str, example: Value) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .example(Some(example))
        .build()
}

/// A header without which the answer is wrong. The library has no field for that; what it calls extensions are members.
fn always(schema: ObjectBuilder, description: &str, example: Value) -> Header {
    let mut header = sometimes(schema, description, example);
    header.extensions = Some(Extensions::from_iter([("required", true)]));
    header
}
