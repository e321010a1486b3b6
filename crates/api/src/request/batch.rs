//! The body of `POST /api/v1/orders/batch`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identifiers::BatchDigest;
use domain::order::OrderRequest;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::Ref;
use utoipa::openapi::schema::ArrayBuilder;

use super::json::Members;
use super::order;
use crate::openapi::{Body, schemas};
use crate::problem::{FieldError, Problem, ProblemKind};

/// Maximum number of orders of a batch.
const MAX_ORDERS: usize = 1_000;

const ORDERS: &str = "orders";

/// A batch: each item is an order request, or the list of its errors.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Result<OrderRequest, Vec<FieldError>>>,
    /// A digest of the whole batch, for idempotency.
    pub(crate) digest: BatchDigest,
}

/// Parses a batch. An invalid item does not affect the other items, except that an item with a repeated member makes the
/// whole body malformed, as in a single order.
pub(crate) fn parse(body: &[u8]) -> Result<Batch, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let orders = take_orders(&mut members).map_err(|error| errors.push(error));
    members.refuse_rest(&mut errors);
    let orders = match orders {
        Ok(orders) if errors.is_empty() => orders,
        _ => return Err(Problem::invalid(errors)),
    };
    let mut hash = Sha256::new();
    let mut items = Vec::with_capacity(orders.len());
    for (index, json) in orders.into_iter().enumerate() {
        let item = read_item(index, json.get())?;
        update(&mut hash, item.as_ref().ok(), json.get());
        items.push(item);
    }
    let digest = BatchDigest::parse(URL_SAFE_NO_PAD.encode(hash.finalize()));
    let digest = digest.map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(Batch { items, digest })
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let orders = ArrayBuilder::new()
        .items(Ref::from_schema_name(order::SCHEMA))
        .min_items(Some(1))
        .max_items(Some(MAX_ORDERS))
        .description(Some(
            "An invalid item is rejected without affecting the others.",
        ));
    let batch = schemas::closed_object()
        .property(ORDERS, orders)
        .required(ORDERS);
    let mut schemas = order::named_schemas();
    schemas.insert("NewBatch".to_owned(), batch.into());
    let item = |product_id: &str| json!({"product_id": product_id, "quantity": 3});
    Body {
        description: "The orders to place; at most 1 MiB.",
        required: true,
        schema: "NewBatch",
        example: json!({ORDERS: [item("SKU-1"), item("SKU-2")]}),
        schemas,
    }
}

fn take_orders<'a>(members: &mut Members<'a>) -> Result<Vec<&'a RawValue>, FieldError> {
    let Some(orders) = members.take_raw(ORDERS) else {
        return Err(FieldError::of_member(ORDERS, "is missing"));
    };
    let orders: Option<Vec<&RawValue>> = serde_json::from_str(orders.get()).ok();
    orders
        .filter(|orders| (1..=MAX_ORDERS).contains(&orders.len()))
        .ok_or_else(|| {
            let detail = format!("must be an array of 1 to {MAX_ORDERS} orders");
            FieldError::of_member(ORDERS, detail)
        })
}

fn read_item(index: usize, json: &str) -> Result<Result<OrderRequest, Vec<FieldError>>, Problem> {
    let item = match Members::parse(json.as_bytes()) {
        Ok(members) => order::read(members),
        Err(problem) if problem.kind() == ProblemKind::ValidationFailed => {
            Err(vec![FieldError::of_document("must be a JSON object")])
        }
        Err(problem) => return Err(problem),
    };
    let pointer = format!("/{ORDERS}/{index}");
    Ok(item.map_err(|errors| {
        let errors = errors.into_iter();
        errors.map(|error| error.within(&pointer)).collect()
    }))
}

/// Adds an item to the digest: the values of a valid item, independent of its notation; of an invalid item, its text without
/// the white space between tokens. The delimiters cannot occur within the values.
fn update(hash: &mut Sha256, request: Option<&OrderRequest>, json: &str) {
    const END: [u8; 1] = [0xff];
    if let Some(request) = request {
        hash.update(request.product_id.as_str());
        hash.update(END);
        hash.update(request.quantity.units().to_be_bytes());
    } else {
        hash.update(END);
        hash.update(without_white_space(json));
        hash.update(END);
    }
}

fn without_white_space(json: &str) -> Vec<u8> {
    let mut in_string = false;
    let mut escaped = false;
    let mut kept = Vec::with_capacity(json.len());
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b' ' | b'\t' | b'\n' | b'\r' if !in_string => continue,
            _ => {}
        }
        kept.push(byte);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(items: &str) -> BatchDigest {
        parse(format!(r#"{{"orders": [{items}]}}"#).as_bytes())
            .unwrap()
            .digest
    }

    #[test]
    fn equal_batches_have_the_same_digest() {
        let one = r#"{"product_id": "p 1", "quantity": 3}, {"quantity": 0, "x": " y\" z "}, null"#;
        let same = r#"{"quantity":3,"productId":"p\u00201"},{"quantity":0,"x":" y\" z "} , null"#;
        assert_eq!(digest(one), digest(same));
    }

    #[test]
    fn different_batches_have_different_digests() {
        let item = |product: &str, quantity: u32| {
            format!(r#"{{"product_id": "{product}", "quantity": {quantity}}}"#)
        };
        let batches = [
            item("p", 1),
            item("p", 2),
            item("q", 1),
            format!("{}, {}", item("p", 1), item("q", 1)),
            format!("{}, {}", item("q", 1), item("p", 1)),
            format!("{}, {}", item("p", 1), item("p", 0)),
            format!("{}, {}", item("p", 1), item("q", 0)),
            format!("{}, null", item("p", 1)),
            format!("null, {}", item("p", 1)),
            "null, null".to_owned(),
            "null".to_owned(),
            r#"" ""#.to_owned(),
            r#""""#.to_owned(),
        ];
        let distinct: std::collections::HashSet<_> =
            batches.iter().map(|items| digest(items)).collect();
        assert_eq!(distinct.len(), batches.len());
    }
}
