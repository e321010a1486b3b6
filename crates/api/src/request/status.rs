//! The body of `PATCH /api/v1/orders/{id}`.

use domain::identifiers::VendorId;
use domain::order::OrderStatus;
use serde_json::json;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};

use super::json::{Members, Scalar};
use crate::contract::{Body, Schemas, schemas};
use crate::problem::{FieldError, Problem};

const STATUS: &str = "status";
const VENDOR_ID: &str = "vendor_id";

/// A change that is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The order gets this status.
    To(OrderStatus),
    /// This vendor's part of the order was shipped.
    ShipPart(VendorId),
}

/// Reads the change, or says everything that is wrong.
pub(crate) fn parse(body: &[u8]) -> Result<Change, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let status = take_status(&mut members).map_err(|wrong| errors.push(wrong));
    let vendor_id = take_vendor_id(&mut members).map_err(|wrong| errors.push(wrong));
    if let (Ok(status), Ok(Some(_))) = (&status, &vendor_id)
        && *status != OrderStatus::Shipped
    {
        errors.push(FieldError::of_member(
            VENDOR_ID,
            "is allowed only where status is SHIPPED",
        ));
    }
    members.refuse_rest(&mut errors);
    match (status, vendor_id) {
        (Ok(status), Ok(None)) if errors.is_empty() => Ok(Change::To(status)),
        (Ok(_), Ok(Some(vendor_id))) if errors.is_empty() => Ok(Change::ShipPart(vendor_id)),
        _ => Err(Problem::invalid(errors)),
    }
}

/// The problem of a vendor that supplies none of the order whose part it is said to have shipped.
pub(crate) fn not_supplied(vendor_id: &VendorId) -> Problem {
    Problem::invalid(vec![FieldError::of_member(
        VENDOR_ID,
        format!("vendor {vendor_id} supplies no unit of the order"),
    )])
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let change = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(STATUS, schemas::order_status())
        .property(VENDOR_ID, schemas::vendor_id())
        .required(STATUS)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    Body {
        description: "The status to change to. With `vendor_id`, which only `SHIPPED` allows, \
                      that vendor's part of the order was shipped.",
        required: true,
        schema: change.into(),
        example: json!({STATUS: OrderStatus::Cancelled.as_str()}),
        schemas: Schemas::new(),
    }
}

fn take_status(members: &mut Members<'_>) -> Result<OrderStatus, FieldError> {
    match members.take(STATUS) {
        Some(Scalar::Text(word)) => OrderStatus::from_word(&word).ok_or_else(|| {
            FieldError::of_member(STATUS, format!("must be one of {}", all_words()))
        }),
        Some(_) => Err(FieldError::of_member(STATUS, "must be a string")),
        None => Err(FieldError::of_member(STATUS, "is missing")),
    }
}

fn take_vendor_id(members: &mut Members<'_>) -> Result<Option<VendorId>, FieldError> {
    match members.take(VENDOR_ID) {
        Some(Scalar::Text(text)) => VendorId::parse(text)
            .map(Some)
            .map_err(|wrong| FieldError::of_member(VENDOR_ID, wrong.to_string())),
        Some(_) => Err(FieldError::of_member(VENDOR_ID, "must be a string")),
        None => Ok(None),
    }
}

/// Every status, for a message.
pub(crate) fn all_words() -> String {
    let words: Vec<&str> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    words.join(", ")
}
