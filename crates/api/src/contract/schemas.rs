//! Schemas of single values, with the ranges that the domain sets.

use domain::evidence::Evidence;
use domain::identifiers::{MAX_ID_CHARS, MAX_IDEMPOTENCY_KEY_BYTES};
use domain::order::{OrderStatus, RejectReason};
use domain::quantity::MAX_QUANTITY;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, SchemaFormat};

/// No control characters, and one at least that is not white space.
const ID_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

pub(crate) fn order_id() -> ObjectBuilder {
    integer(1, i64::MAX)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("The order's number."))
        .examples([json!(42)])
}

pub(crate) fn product_id() -> ObjectBuilder {
    id().description(Some("What is sold: no control characters, not blank."))
        .examples([json!("SKU-1")])
}

/// The product of a new order.
pub(crate) fn new_product_id() -> ObjectBuilder {
    product_id()
        .description(Some(
            "What is sold: no control characters, not blank, and canonical, which is without white space at the ends, \
             without zero-width and other invisible characters, and in Unicode normalization form C (NFC).",
        ))
}

pub(crate) fn vendor_id() -> ObjectBuilder {
    id().description(Some("Who supplies it."))
        .examples([json!("vendor-a")])
}

fn id() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(MAX_ID_CHARS))
        .pattern(Some(ID_PATTERN))
}

/// How much one order may ask for, and one allocation supply.
pub(crate) fn quantity() -> ObjectBuilder {
    integer(1, i64::from(MAX_QUANTITY))
        .description(Some("How many units."))
        .examples([json!(3)])
}

/// Units of stock, of one vendor or of all.
pub(crate) fn units() -> ObjectBuilder {
    at_least_0().description(Some("Units that can still be sold."))
}

pub(crate) fn reported() -> ObjectBuilder {
    at_least_0().description(Some("What the vendor said last."))
}

pub(crate) fn in_flight() -> ObjectBuilder {
    at_least_0().description(Some(
        "What was sold here and the vendor's last report does not know of.",
    ))
}

pub(crate) fn available() -> ObjectBuilder {
    at_least_0().description(Some(
        "What can still be sold of it: `reported` less `in_flight`, and never less than 0.",
    ))
}

pub(crate) fn count() -> ObjectBuilder {
    at_least_0()
}

pub(crate) fn count_or_null() -> ObjectBuilder {
    at_least_0().schema_type(or_null(Type::Integer))
}

pub(crate) fn products() -> ObjectBuilder {
    count().description(Some("How many products it has reported."))
}

pub(crate) fn duration_ms() -> ObjectBuilder {
    count_or_null().description(Some("How long the sync took, in milliseconds."))
}

pub(crate) fn received() -> ObjectBuilder {
    count_or_null().description(Some("How many products the report had."))
}

pub(crate) fn changed() -> ObjectBuilder {
    count_or_null().description(Some("How many products it changed."))
}

pub(crate) fn evidence() -> ObjectBuilder {
    let kinds = Evidence::ALL.iter().map(|kind| kind.as_str().into());
    ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .enum_values(Some(kinds.chain([Value::Null])))
        .description(Some(
            "The best time that the last applied report has: its own as-of, `Last-Modified`, only the `Date` of the \
             response, or the modification time of a file. Null if it proves nothing: then its counts are applied, and \
             units that were shipped stay in flight.",
        ))
}

pub(crate) fn clock_skew_ms() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(or_null(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(
            "The vendor's clock less the service's at the last response, in milliseconds, as far as a `Date`, which is \
             given to the second, shows it. Ahead is positive; behind keeps units in flight longer than necessary.",
        ))
}

pub(crate) fn lag_ms() -> ObjectBuilder {
    count().description(Some(
        "The vendor's setting `lag`: how old its numbers may be when it states them, in milliseconds.",
    ))
}

pub(crate) fn age_ms() -> ObjectBuilder {
    count_or_null().description(Some("The time since `as_of`, in milliseconds."))
}

pub(crate) fn max_age_ms() -> ObjectBuilder {
    count_or_null().description(Some(
        "The vendor's setting `max_age`: the age beyond which its numbers are not sold from, in milliseconds. Null for no \
         limit.",
    ))
}

pub(crate) fn next_attempt_at() -> ObjectBuilder {
    timestamp_or_null().description(Some(
        "The earliest instant of the next scheduled sync after a failure: the end of the vendor's own demand (`Retry-After`) \
         or of the service's growing interval, whichever is later. Null while none is pending: then the vendor is synced at \
         its interval.",
    ))
}

pub(crate) fn consecutive_failures() -> ObjectBuilder {
    count().description(Some(
        "Number of syncs that the vendor failed since the last one that it did not.",
    ))
}

pub(crate) fn error_status() -> ObjectBuilder {
    integer(400, 599).description(Some("The HTTP status."))
}

fn at_least_0() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}

pub(crate) fn timestamp() -> ObjectBuilder {
    string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("In UTC, to the microsecond."))
        .examples([json!("2026-11-23T12:00:00.000000Z")])
}

pub(crate) fn timestamp_or_null() -> ObjectBuilder {
    timestamp().schema_type(or_null(Type::String))
}

pub(crate) fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(or_null(Type::String))
}

pub(crate) fn order_status() -> ObjectBuilder {
    words(OrderStatus::ALL.iter().map(|status| status.as_str())).description(Some(
        "`PENDING` until the order is decided, then `CONFIRMED`, with the vendors that supply \
         it, or `REJECTED`.",
    ))
}

/// Why an order was rejected; null in every other status.
pub(crate) fn reject_reason() -> ObjectBuilder {
    let reasons = RejectReason::ALL
        .iter()
        .map(|reason| reason.as_str().into());
    ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .enum_values(Some(reasons.chain([Value::Null])))
        .description(Some(
            "Why the order was rejected, `MANUAL` by an operator; null in every other status.",
        ))
}

pub(crate) fn idempotency_key() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(MAX_IDEMPOTENCY_KEY_BYTES))
        .pattern(Some("^[!-~]+$"))
        .examples([json!("my-order-1")])
}

/// One of these words.
pub(crate) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    string().enum_values(Some(words))
}

pub(crate) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(crate) fn integer(minimum: i64, maximum: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(minimum))
        .maximum(Some(maximum))
}

pub(crate) fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}
