//! The body of `POST /api/v1/orders`.

use domain::identifiers::ProductId;
use domain::order::OrderRequest;
use domain::quantity::{InvalidQuantity, Quantity};
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Deprecated, Ref, RefOr, Schema};

use super::json::{Members, Scalar};
use crate::openapi::{Body, Schemas, schemas};
use crate::problem::{FieldError, Problem};

const PRODUCT_ID: &str = "product_id";

/// The member name that clients of the original use. Its value may be a number.
const ORIGINAL_PRODUCT_ID: &str = "productId";

const QUANTITY: &str = "quantity";

/// Parses an order request, or returns all its errors.
pub(crate) fn parse(body: &[u8]) -> Result<OrderRequest, Problem> {
    read(Members::parse(body)?).map_err(Problem::invalid)
}

/// Parses an order request from the members of an object, or returns all its errors.
pub(crate) fn read(mut members: Members<'_>) -> Result<OrderRequest, Vec<FieldError>> {
    let mut errors = Vec::new();
    let product_id = take_product_id(&mut members).map_err(|error| errors.push(error));
    let quantity = take_quantity(&mut members).map_err(|error| errors.push(error));
    members.refuse_rest(&mut errors);
    match (product_id, quantity) {
        (Ok(product_id), Ok(quantity)) if errors.is_empty() => Ok(OrderRequest {
            product_id,
            quantity,
        }),
        _ => Err(errors),
    }
}

/// The name of the schema of an order request.
pub(super) const SCHEMA: &str = "OrderRequest";

/// The contract of the body.
pub(crate) fn contract() -> Body {
    Body {
        description: "The order to place.",
        required: true,
        schema: SCHEMA,
        example: json!({PRODUCT_ID: "SKU-1", QUANTITY: 3}),
        schemas: named_schemas(),
    }
}

/// The schema of an order request, and those that it refers to by name.
pub(super) fn named_schemas() -> Schemas {
    let either = OneOfBuilder::new()
        .item(Ref::from_schema_name("NewOrder"))
        .item(Ref::from_schema_name("OriginalNewOrder"));
    let order = |product_id: &str, schema: RefOr<Schema>| {
        schemas::closed_object()
            .property(product_id, schema)
            .property(QUANTITY, schemas::quantity())
            .required(product_id)
            .required(QUANTITY)
    };
    let original_id = OneOfBuilder::new().item(schemas::new_product_id()).item(
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("Converted to its decimal digits.")),
    );
    let original = order(ORIGINAL_PRODUCT_ID, original_id.into())
        .description(Some("A new order in the format of the original's clients."))
        .deprecated(Some(Deprecated::True));
    let order =
        order(PRODUCT_ID, schemas::new_product_id().into()).description(Some("A new order."));
    [
        (SCHEMA.to_owned(), either.into()),
        ("NewOrder".to_owned(), order.into()),
        ("OriginalNewOrder".to_owned(), original.into()),
    ]
    .into()
}

fn take_product_id(members: &mut Members<'_>) -> Result<ProductId, FieldError> {
    let current = members.take(PRODUCT_ID);
    let original = members.take(ORIGINAL_PRODUCT_ID);
    let (name, text) = match (current, original) {
        (Some(Scalar::Text(text)), None) => (PRODUCT_ID, text),
        (None, Some(Scalar::Text(text))) => (ORIGINAL_PRODUCT_ID, text),
        (None, Some(Scalar::Integer(digits))) => {
            (ORIGINAL_PRODUCT_ID, canonical(digits).to_owned())
        }
        (Some(_), Some(_)) => {
            let detail = "must not be given together with product_id";
            return Err(FieldError::of_member(ORIGINAL_PRODUCT_ID, detail));
        }
        (None, Some(Scalar::InvalidText | Scalar::Other)) => {
            let detail = "must be a string or an integer";
            return Err(FieldError::of_member(ORIGINAL_PRODUCT_ID, detail));
        }
        (Some(_), None) => return Err(FieldError::of_member(PRODUCT_ID, "must be a string")),
        (None, None) => return Err(FieldError::of_member(PRODUCT_ID, "is missing")),
    };
    ProductId::parse(text).map_err(|error| FieldError::of_member(name, error.to_string()))
}

/// JSON has two notations of zero.
fn canonical(digits: &str) -> &str {
    if digits == "-0" { "0" } else { digits }
}

fn take_quantity(members: &mut Members<'_>) -> Result<Quantity, FieldError> {
    match members.take(QUANTITY) {
        Some(Scalar::Integer(digits)) => digits
            .parse()
            .map_err(|_| InvalidQuantity)
            .and_then(Quantity::parse),
        Some(_) => Err(InvalidQuantity),
        None => return Err(FieldError::of_member(QUANTITY, "is missing")),
    }
    .map_err(|error| FieldError::of_member(QUANTITY, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_id_may_be_a_number_under_its_original_name() {
        for (sent, read) in [
            (r#"{"product_id": "SKU-1", "quantity": 3}"#, "SKU-1"),
            (r#"{"productId": "SKU-1", "quantity": 3}"#, "SKU-1"),
            (r#"{"productId": 7, "quantity": 3}"#, "7"),
            (r#"{"productId": -0, "quantity": 3}"#, "0"),
            (
                r#"{"productId": 123456789012345678901234567890, "quantity": 3}"#,
                "123456789012345678901234567890",
            ),
        ] {
            let request = parse(sent.as_bytes()).unwrap();
            assert_eq!(request.product_id.as_str(), read);
            assert_eq!(request.quantity.units(), 3);
        }
    }
}
