//! Response headers.

use serde_json::{Value, json};
use utoipa::openapi::Ref;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::ObjectBuilder;

use super::schemas::{integer, string, string_enum};

/// A response header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderName {
    /// The header's name in a response.
    pub(super) name: &'static str,
    /// The header's name in the components of the document.
    component: &'static str,
}

impl HeaderName {
    const fn new(name: &'static str) -> Self {
        let component = name;
        Self { name, component }
    }
}

pub(crate) const ETAG: HeaderName = HeaderName::new("ETag");
pub(crate) const LINK: HeaderName = HeaderName::new("Link");
pub(crate) const LOCATION: HeaderName = HeaderName::new("Location");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::new("Preference-Applied");
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::new("RateLimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::new("RateLimit-Policy");
pub(crate) const REPLAYED: HeaderName = HeaderName::new("Idempotent-Replayed");
pub(crate) const RETRY_AFTER: HeaderName = HeaderName::new("Retry-After");
/// `Retry-After` of a response that depends on a vendor.
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

/// Every header, for the components of the document.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Header)> {
    [
        (
            ETAG,
            required(
                string().pattern(Some("^\"[^\"]+\"$")),
                "The version of the order, for use in `If-Match` or `If-None-Match`.",
                json!("\"42-CONFIRMED-6447c1d7a2f00\""),
            ),
        ),
        (
            LINK,
            optional(
                string(),
                "The URL of the next page (RFC 8288). Absent on the last page.",
                json!("</api/v1/orders?limit=100&cursor=AQAAAAAAAAAqZ2s8>; rel=\"next\""),
            ),
        ),
        (
            LOCATION,
            required(string(), "The URL of the order.", json!("/api/v1/orders/42")),
        ),
        (
            PREFERENCE_APPLIED,
            required(
                string_enum(["wait"]),
                "The preference that was applied (RFC 7240).",
                json!("wait"),
            ),
        ),
        (
            RATE_LIMIT,
            optional(
                string(),
                "The remaining rate limit: `r` requests now, and one more after `t` seconds. Absent if no \
             rate limit is configured, and outside `/api`.",
                json!("\"default\";r=598;t=1"),
            ),
        ),
        (
            RATE_LIMIT_POLICY,
            optional(
                string(),
                "The rate limit: `q` requests per `w` seconds. Absent if no rate limit is configured, and outside `/api`.",
                json!("\"default\";q=600;w=60"),
            ),
        ),
        (
            REPLAYED,
            optional(
                string_enum(["true"]),
                "Present if the response repeats the result of an earlier request with the same \
             `Idempotency-Key`.",
                json!("true"),
            ),
        ),
        (
            RETRY_AFTER,
            required(
                integer(1, i64::from(u32::MAX)),
                "Seconds to wait before retrying.",
                json!(1),
            ),
        ),
        (
            RETRY_AFTER_OF_VENDOR,
            optional(
                integer(1, 86_400),
                "Seconds to wait before the vendor may be read again, rounded up. Absent unless the vendor sent \
             `Retry-After`.",
                json!(60),
            ),
        ),
        (
            REQUEST_ID,
            required(
                string().pattern(Some("^[!-~]{1,128}$")),
                "The client's `X-Request-Id` if it is 1 to 128 visible ASCII characters, else a new one. \
             Problems and the service's log contain the same id.",
                json!("9f1c2b7e5a604d3c8e7f0a1b2c3d4e5f"),
            ),
        ),
        (
            VARY,
            required(
                string(),
                "The request headers that the response depends on.",
                json!("accept"),
            ),
        ),
        (
            WWW_AUTHENTICATE,
            required(
                string(),
                "The required authentication (RFC 6750).",
                json!("Bearer realm=\"order-aggregator\""),
            ),
        ),
    ]
    .into_iter()
    .map(|(name, header)| (name.component, header))
}

fn optional(schema: ObjectBuilder, description: &str, example: Value) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .example(Some(example))
        .build()
}

/// A header that is always present. utoipa has no field for `required`; its extensions are rendered as plain members.
fn required(schema: ObjectBuilder, description: &str, example: Value) -> Header {
    let mut header = optional(schema, description, example);
    header.extensions = Some(Extensions::from_iter([("required", true)]));
    header
}
