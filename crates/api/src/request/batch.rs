//! The body of `POST /api/v1/orders/batch`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identifiers::BatchDigest;
use domain::order::OrderRequest;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Type};

use super::json::Members;
use super::order;
use crate::contract::Body;
use crate::problem::{FieldError, Problem, ProblemKind};

/// Most orders of one batch.
const MAX_ORDERS: usize = 1_000;

const ORDERS: &str = "orders";

/// A batch: what each of its items asks for, or everything that is wrong with the item.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Result<OrderRequest, Vec<FieldError>>>,
    /// What the batch asks for as a whole, in short.
    pub(crate) digest: BatchDigest,
}

/// Reads a batch. What is wrong with an item is the item's own, unless nobody can tell what the item says: one that names
/// a member twice makes the whole body malformed, as it does in an order alone.
pub(crate) fn parse(body: &[u8]) -> Result<Batch, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let orders = take_orders(&mut members).map_err(|wrong| errors.push(wrong));
    members.refuse_rest(&mut errors);
    let orders = match orders {
        Ok(orders) if errors.is_empty() => orders,
        _ => return Err(Problem::invalid(errors)),
    };
    let mut hash = Sha256::new();
    let mut items = Vec::with_capacity(orders.len());
    for (position, json) in orders.into_iter().enumerate() {
        let item = read_item(position, json.get())?;
        update(&mut hash, item.as_ref().ok(), json.get());
        items.push(item);
    }
    let digest = BatchDigest::parse(URL_SAFE_NO_PAD.encode(hash.finalize()));
    let digest = digest.map_err(|wrong| Problem::unavailable(wrong.to_string()))?;
    Ok(Batch { items, digest })
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let orders = ArrayBuilder::new()
        .items(order::schema())
        .min_items(Some(1))
        .max_items(Some(MAX_ORDERS))
        .description(Some(
            "An item that is not as it should be is refused by itself.",
        ));
    let batch = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(ORDERS, orders)
        .required(ORDERS)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    let item = |product_id: &str| json!({"product_id": product_id, "quantity": 3});
    Body {
        description: "What is ordered; 1 MiB at most.",
        required: true,
        schema: batch.into(),
        example: json!({ORDERS: [item("SKU-1"), item("SKU-2")]}),
        schemas: order::named_schemas(),
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

fn read_item(
    position: usize,
    json: &str,
) -> Result<Result<OrderRequest, Vec<FieldError>>, Problem> {
    let item = match Members::parse(json.as_bytes()) {
        Ok(members) => order::read(members),
        Err(problem) if problem.kind() == ProblemKind::ValidationFailed => {
            Err(vec![FieldError::of_document("must be a JSON object")])
        }
        Err(problem) => return Err(problem),
    };
    let pointer = format!("/{ORDERS}/{position}");
    Ok(item.map_err(|errors| {
        let errors = errors.into_iter();
        errors.map(|error| error.within(&pointer)).collect()
    }))
}

/// Adds an item: what it asks for, however it was written; or, as it is refused, its text without the white space between
/// the tokens. What follows each part cannot be a part of it.
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
    fn batches_that_ask_for_the_same_have_the_same_digest() {
        let one = r#"{"product_id": "p 1", "quantity": 3}, {"quantity": 0, "x": " y\" z "}, null"#;
        let same = r#"{"quantity":3,"productId":"p\u00201"},{"quantity":0,"x":" y\" z "} , null"#;
        assert_eq!(digest(one), digest(same));
    }

    #[test]
    fn batches_that_ask_for_something_else_have_another() {
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
