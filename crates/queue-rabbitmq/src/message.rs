//! The body of a message: `{"order_ids":[1,2]}`.

use domain::identifiers::OrderId;
use domain::ports::QueuedOrder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shard::shard_of;

/// Most orders in a message that is written. A reader takes more, as long as the body is within [`MAX_BODY_BYTES`].
pub(crate) const MAX_IDS_PER_MESSAGE: usize = 1024;

/// Longest body that is read.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

#[derive(Serialize)]
struct Written {
    order_ids: Vec<i64>,
}

/// A newer version may write more members: what this one does not know, it ignores.
#[derive(Deserialize)]
struct Read {
    order_ids: Vec<i64>,
}

/// Why a body is not a message.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    #[error("the body has {0} bytes, at most {MAX_BODY_BYTES} are read")]
    TooLong(usize),
    #[error("the body is not a message: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the message holds no order ids")]
    Empty,
    #[error("{0} is not an order id")]
    NotAnId(i64),
}

/// Writes a body.
pub(crate) fn encode(order_ids: &[OrderId]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written {
        order_ids: order_ids.iter().map(|id| id.0).collect(),
    })
}

/// Reads a body.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<OrderId>, Unreadable> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::TooLong(body.len()));
    }
    let Read { order_ids } = serde_json::from_slice(body)?;
    if order_ids.is_empty() {
        return Err(Unreadable::Empty);
    }
    if let Some(wrong) = order_ids.iter().find(|id| **id <= 0) {
        return Err(Unreadable::NotAnId(*wrong));
    }
    Ok(order_ids.into_iter().map(OrderId).collect())
}

/// Orders that travel in one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) shard: u16,
    pub(crate) order_ids: Vec<OrderId>,
}

/// Packs orders by shard. Within a shard the orders keep their order, and so do a product's, which has one shard.
pub(crate) fn pack(orders: &[QueuedOrder], shards: u16) -> Vec<Parcel> {
    let mut parcels: Vec<Parcel> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; usize::from(shards.max(1))];
    for order in orders {
        let shard = shard_of(&order.product_id, shards);
        let slot = &mut open[usize::from(shard)];
        let room = slot.and_then(|index| parcels.get_mut(index));
        if let Some(parcel) = room.filter(|it| it.order_ids.len() < MAX_IDS_PER_MESSAGE) {
            parcel.order_ids.push(order.order_id);
        } else {
            *slot = Some(parcels.len());
            parcels.push(Parcel {
                shard,
                order_ids: vec![order.order_id],
            });
        }
    }
    parcels
}

#[cfg(test)]
mod tests {
    use domain::identifiers::ProductId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_body_is_what_the_documentation_says() {
        let body = encode(&[OrderId(1), OrderId(2)]).unwrap();
        assert_eq!(body, br#"{"order_ids":[1,2]}"#);
    }

    #[test]
    fn the_largest_message_written_is_read() {
        let ids = vec![OrderId(i64::MAX); MAX_IDS_PER_MESSAGE];
        assert_eq!(decode(&encode(&ids).unwrap()).unwrap(), ids);
    }

    #[test]
    fn members_of_a_newer_version_are_ignored() {
        let body = br#"{"version":2,"order_ids":[1,2],"more":{"order_ids":[3]}}"#;
        assert_eq!(decode(body).unwrap(), [OrderId(1), OrderId(2)]);
        let twice = br#"{"order_ids":[1],"order_ids":[2]}"#;
        assert!(decode(twice).is_err(), "a member twice is ambiguous");
    }

    #[test]
    fn anything_else_is_unreadable() {
        let long = format!(r#"{{"order_ids":[1{}]}}"#, " ".repeat(MAX_BODY_BYTES));
        for body in [
            "",
            "null",
            "[1]",
            "{}",
            r#"{"order_ids":[]}"#,
            r#"{"order_ids":[0]}"#,
            r#"{"order_ids":[1,-1]}"#,
            r#"{"order_ids":[1.5]}"#,
            r#"{"order_ids":["1"]}"#,
            r#"{"order_ids":[9223372036854775808]}"#,
            r#"{"order_ids":[1]} trailing"#,
            &long,
        ] {
            assert!(decode(body.as_bytes()).is_err(), "{body:.60}");
        }
        assert!(decode(b"\xff\xfe").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ids in prop::collection::vec(1_i64.., 1..300)) {
            let ids: Vec<OrderId> = ids.into_iter().map(OrderId).collect();
            prop_assert_eq!(decode(&encode(&ids).unwrap()).unwrap(), ids);
        }

        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
        }

        #[test]
        fn packing_loses_nothing_and_keeps_the_order_of_a_product(
            products in prop::collection::vec(0_u8..6, 0..1500), shards in 1_u16..9,
        ) {
            let orders: Vec<QueuedOrder> = (1_i64..).zip(&products).map(|(id, product)| QueuedOrder {
                order_id: OrderId(id),
                product_id: ProductId::parse(format!("p{product}")).unwrap(),
            }).collect();
            let parcels = pack(&orders, shards);
            prop_assert!(parcels.iter().all(|it| (1..=MAX_IDS_PER_MESSAGE).contains(&it.order_ids.len())));
            for shard in 0..shards {
                let sent: Vec<OrderId> = parcels.iter().filter(|it| it.shard == shard)
                    .flat_map(|it| it.order_ids.clone()).collect();
                let expected: Vec<OrderId> = orders.iter()
                    .filter(|it| shard_of(&it.product_id, shards) == shard).map(|it| it.order_id).collect();
                prop_assert_eq!(sent, expected);
            }
        }
    }
}
