//! Schemas of single values, with the ranges that the domain defines.

use domain::evidence::Evidence;
use domain::identifiers::{MAX_ID_CHARS, MAX_IDEMPOTENCY_KEY_BYTES};
use domain::order::{OrderStatus, RejectReason};
use domain::quantity::MAX_QUANTITY;
use domain::services::MAX_PAUSE_REASON_CHARS;
use serde_json::json;
use utoipa::openapi::schema::{
    AdditionalProperties, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::{KnownFormat, Ref, Schema, SchemaFormat};

use super::named_schemas::Schemas;

/// No control characters, and at least one character that is not white space.
const ID_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

pub(crate) fn order_id() -> ObjectBuilder {
    integer(1, i64::MAX)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("The order id."))
        .examples([json!(42)])
}

pub(crate) fn run_id() -> ObjectBuilder {
    integer(1, i64::MAX)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(
            "The run id. A later run of the vendor has a greater id.",
        ))
        .examples([json!(42)])
}

/// The schemas of values that occur in several places, which refer to them by name.
pub(super) fn named() -> Schemas {
    let product_id = id()
        .description(Some("The product id: no control characters, not blank."))
        .examples([json!("SKU-1")]);
    let vendor_id = id()
        .description(Some("The vendor id."))
        .examples([json!("vendor-a")]);
    let quantity = integer(1, i64::from(MAX_QUANTITY))
        .description(Some("Number of units."))
        .examples([json!(3)]);
    let timestamp = date_time()
        .description(Some("RFC 3339 in UTC, with microseconds."))
        .examples([json!("2026-11-23T12:00:00.000000Z")]);
    let order_status = string_enum(OrderStatus::ALL.iter().map(|it| it.as_str())).description(Some(
        "`PENDING` until the order is settled, then `CONFIRMED` with allocations, or `REJECTED`.",
    ));
    let reject_reason = string_enum(RejectReason::ALL.iter().map(|it| it.as_str())).description(
        Some("The reason of a rejection; `MANUAL` if an operator rejected the order."),
    );
    let evidence = string_enum(Evidence::ALL.iter().map(|it| it.as_str())).description(Some(
        "The source of a proven as-of time: the document itself, `Last-Modified`, only the `Date` of the response, or the \
         modification time of a file.",
    ));
    [
        ("ProductId", product_id),
        ("VendorId", vendor_id),
        ("Quantity", quantity),
        ("Timestamp", timestamp),
        ("OrderStatus", order_status),
        ("RejectReason", reject_reason),
        ("Evidence", evidence),
    ]
    .map(|(name, schema)| (name.to_owned(), schema.into()))
    .into()
}

pub(crate) fn product_id() -> Ref {
    Ref::from_schema_name("ProductId")
}

/// The product of a new order.
pub(crate) fn new_product_id() -> ObjectBuilder {
    id().description(Some(
        "The product id: no control characters, not blank, and canonical: no leading or trailing white space, no \
         zero-width or other invisible characters, and in Unicode normalization form C (NFC).",
    ))
    .examples([json!("SKU-1")])
}

pub(crate) fn vendor_id() -> Ref {
    Ref::from_schema_name("VendorId")
}

fn id() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(MAX_ID_CHARS))
        .pattern(Some(ID_PATTERN))
}

/// Units of one order or of one allocation.
pub(crate) fn quantity() -> Ref {
    Ref::from_schema_name("Quantity")
}

pub(crate) fn evidence() -> OneOfBuilder {
    or_null_ref("Evidence").description(Some(
        "Null if the last applied report proves no as-of time: its counts are applied, but shipped units stay in flight.",
    ))
}

pub(crate) fn run_evidence() -> OneOfBuilder {
    or_null_ref("Evidence").description(Some(
        "Null if the report proves no as-of time, or if no report was received.",
    ))
}

pub(crate) fn quarantine_evidence() -> OneOfBuilder {
    or_null_ref("Evidence").description(Some("Null if the report proves no as-of time."))
}

pub(crate) fn pause_reason() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(MAX_PAUSE_REASON_CHARS))
        .pattern(Some(ID_PATTERN))
        .description(Some(
            "The reason, which `GET /api/v1/vendors` shows: one line, not blank.",
        ))
        .examples([json!("stocktaking until noon")])
}

pub(crate) fn run_as_of() -> ObjectBuilder {
    timestamp_or_null().description(Some(
        "The as-of time that the report proves: units shipped before it are included in the report's counts. The vendor's \
         `lag` is already subtracted. Null if `evidence` is null.",
    ))
}

pub(crate) fn next_attempt_at() -> ObjectBuilder {
    timestamp_or_null().description(Some(
        "The earliest time of the next scheduled sync after a failure: the end of the vendor's `Retry-After` or of the \
         service's backoff, whichever is later. Null if the vendor is synced at its normal interval.",
    ))
}

pub(crate) fn error_status() -> ObjectBuilder {
    integer(400, 599).description(Some("The HTTP status."))
}

pub(crate) fn timestamp() -> Ref {
    Ref::from_schema_name("Timestamp")
}

pub(crate) fn timestamp_or_null() -> ObjectBuilder {
    date_time().schema_type(or_null(Type::String))
}

pub(crate) fn proven_as_of() -> ObjectBuilder {
    timestamp_or_null().description(Some(
        "The as-of time that the last applied report proves: units shipped before it are included in the report's counts and \
         no longer in flight. `lag_ms` is already subtracted. Null if the report proves nothing, and before the first report.",
    ))
}

fn date_time() -> ObjectBuilder {
    string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

pub(crate) fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(or_null(Type::String))
}

pub(crate) fn order_status() -> Ref {
    Ref::from_schema_name("OrderStatus")
}

pub(crate) fn reject_reason() -> OneOfBuilder {
    or_null_ref("RejectReason").description(Some("Null unless the status is `REJECTED`."))
}

pub(crate) fn idempotency_key() -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(MAX_IDEMPOTENCY_KEY_BYTES))
        .pattern(Some("^[!-~]+$"))
        .examples([json!("my-order-1")])
}

/// A string with one of these values.
pub(crate) fn string_enum<'a>(values: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    string().enum_values(Some(values))
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

/// Null, or a value of a named schema. Generators create one type for it, unlike for an enumeration that contains null.
fn or_null_ref(name: &str) -> OneOfBuilder {
    OneOfBuilder::new()
        .item(Ref::from_schema_name(name))
        .item(ObjectBuilder::new().schema_type(Type::Null))
}

/// An object with these members and no others.
pub(crate) fn closed_object() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

pub(crate) fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}
