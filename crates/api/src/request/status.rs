//! The body of `PATCH /api/v1/orders/{id}`.

use domain::identifiers::VendorId;
use domain::order::OrderStatus;
use serde_json::json;

use super::json::{Members, Scalar};
use crate::openapi::{Body, schemas};
use crate::problem::{FieldError, Problem};

const STATUS: &str = "status";
const VENDOR_ID: &str = "vendor_id";

/// A requested change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Change the order to this status.
    To(OrderStatus),
    /// Mark this vendor's part of the order as shipped.
    ShipPart(VendorId),
}

/// Parses the change, or returns all its errors.
pub(crate) fn parse(body: &[u8]) -> Result<Change, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let status = take_status(&mut members).map_err(|error| errors.push(error));
    let vendor_id = take_vendor_id(&mut members).map_err(|error| errors.push(error));
    if let (Ok(status), Ok(Some(_))) = (&status, &vendor_id)
        && *status != OrderStatus::Shipped
    {
        errors.push(FieldError::of_member(
            VENDOR_ID,
            "is allowed only with status SHIPPED",
        ));
    }
    members.refuse_rest(&mut errors);
    match (status, vendor_id) {
        (Ok(status), Ok(None)) if errors.is_empty() => Ok(Change::To(status)),
        (Ok(_), Ok(Some(vendor_id))) if errors.is_empty() => Ok(Change::ShipPart(vendor_id)),
        _ => Err(Problem::invalid(errors)),
    }
}

/// The problem of a shipped part whose vendor has no allocation of the order.
pub(crate) fn not_supplied(vendor_id: &VendorId) -> Problem {
    Problem::invalid(vec![FieldError::of_member(
        VENDOR_ID,
        format!("vendor {vendor_id} supplies no unit of the order"),
    )])
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let change = schemas::closed_object()
        .property(STATUS, schemas::order_status())
        .property(VENDOR_ID, schemas::vendor_id())
        .required(STATUS);
    Body {
        description: "The new status. With `vendor_id`, which is allowed only with `SHIPPED`, only \
                      that vendor's part of the order is marked as shipped.",
        required: true,
        schema: "StatusChange",
        example: json!({STATUS: OrderStatus::Cancelled.as_str()}),
        schemas: [("StatusChange".to_owned(), change.into())].into(),
    }
}

fn take_status(members: &mut Members<'_>) -> Result<OrderStatus, FieldError> {
    match members.take(STATUS) {
        Some(Scalar::Text(text)) => text.parse().map_err(|_| {
            FieldError::of_member(STATUS, format!("must be one of {}", all_statuses()))
        }),
        Some(_) => Err(FieldError::of_member(STATUS, "must be a string")),
        None => Err(FieldError::of_member(STATUS, "is missing")),
    }
}

fn take_vendor_id(members: &mut Members<'_>) -> Result<Option<VendorId>, FieldError> {
    match members.take(VENDOR_ID) {
        Some(Scalar::Text(text)) => VendorId::parse(text)
            .map(Some)
            .map_err(|error| FieldError::of_member(VENDOR_ID, error.to_string())),
        Some(_) => Err(FieldError::of_member(VENDOR_ID, "must be a string")),
        None => Ok(None),
    }
}

/// All statuses, for an error message.
pub(crate) fn all_statuses() -> String {
    let statuses: Vec<&str> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    statuses.join(", ")
}
