//! The body of `PATCH /api/v1/orders/{id}`.

use domain::order::OrderStatus;
use serde_json::json;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};

use super::json::{Members, Scalar};
use crate::contract::{Body, Schemas, schemas};
use crate::problem::{FieldError, Problem};

const STATUS: &str = "status";

/// Reads the status to change to, or says everything that is wrong.
pub(crate) fn parse(body: &[u8]) -> Result<OrderStatus, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let status = take_status(&mut members).map_err(|wrong| errors.push(wrong));
    members.refuse_rest(&mut errors);
    match status {
        Ok(status) if errors.is_empty() => Ok(status),
        _ => Err(Problem::invalid(errors)),
    }
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let change = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(STATUS, schemas::order_status())
        .required(STATUS)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    Body {
        description: "The status to change to.",
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

/// Every status, for a message.
pub(crate) fn all_words() -> String {
    let words: Vec<&str> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    words.join(", ")
}
