//! The body of a message: `{"order_ids":[1,2]}`.

use domain::identifiers::OrderId;
use domain::ports::QueuedOrder;
use domain::trace::SpanContext;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shard::shard_of;

/// Maximum order ids in a message that is written. A reader accepts more if the body is within [`MAX_BODY_BYTES`].
pub(crate) const MAX_IDS_PER_MESSAGE: usize = 1024;

/// Maximum traces in a message, about 80 bytes each. All headers of a message must fit into one frame, of which AMQP guarantees
/// 4,096 bytes; a larger frame makes the broker close the connection.
pub(crate) const MAX_TRACES_PER_MESSAGE: usize = 32;

/// Maximum size of a body that is decoded.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

#[derive(Serialize)]
struct Written {
    order_ids: Vec<i64>,
}

/// Unknown members are ignored, because a newer version may write more.
#[derive(Deserialize)]
struct Read {
    order_ids: Vec<i64>,
}

/// Why a body cannot be decoded.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    #[error("the body has {0} bytes, the maximum is {MAX_BODY_BYTES}")]
    TooLong(usize),
    #[error("the body is not a message: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the message contains no order ids")]
    Empty,
    #[error("{0} is not an order id")]
    NotAnId(i64),
}

/// Encodes a body.
pub(crate) fn encode(order_ids: &[OrderId]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written {
        order_ids: order_ids.iter().map(|id| id.0).collect(),
    })
}

/// Decodes a body.
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

/// The orders of one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MessageBatch {
    pub(crate) shard: u16,
    pub(crate) order_ids: Vec<OrderId>,
    /// The spans of the first [`MAX_TRACES_PER_MESSAGE`] traced orders.
    pub(crate) traces: Vec<(OrderId, SpanContext)>,
}

/// Packs orders into messages by shard. The order within a shard, and therefore of a product, is preserved.
pub(crate) fn pack(orders: &[QueuedOrder], shards: u16) -> Vec<MessageBatch> {
    let mut batches: Vec<MessageBatch> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; usize::from(shards.max(1))];
    for order in orders {
        let shard = shard_of(&order.product_id, shards);
        let slot = &mut open[usize::from(shard)];
        let last = slot.and_then(|index| batches.get_mut(index));
        if let Some(batch) = last.filter(|it| it.order_ids.len() < MAX_IDS_PER_MESSAGE) {
            batch.order_ids.push(order.order_id);
            if batch.traces.len() < MAX_TRACES_PER_MESSAGE {
                batch.traces.extend(traced(order));
            }
        } else {
            *slot = Some(batches.len());
            batches.push(MessageBatch {
                shard,
                order_ids: vec![order.order_id],
                traces: traced(order).into_iter().collect(),
            });
        }
    }
    batches
}

fn traced(order: &QueuedOrder) -> Option<(OrderId, SpanContext)> {
    Some((order.order_id, order.trace?))
}

#[cfg(test)]
mod tests {
    use domain::identifiers::ProductId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_body_has_the_documented_format() {
        let body = encode(&[OrderId(1), OrderId(2)]).unwrap();
        assert_eq!(body, br#"{"order_ids":[1,2]}"#);
    }

    #[test]
    fn the_largest_encoded_message_is_decoded() {
        let ids = vec![OrderId(i64::MAX); MAX_IDS_PER_MESSAGE];
        assert_eq!(decode(&encode(&ids).unwrap()).unwrap(), ids);
    }

    #[test]
    fn traces_of_a_message_fit_into_the_smallest_frame() {
        let context = SpanContext::parse_recorded(&format!("00-{:032x}-{:016x}-01", 1, 1)).unwrap();
        let orders: Vec<QueuedOrder> = (0..1024)
            .map(|index| QueuedOrder {
                trace: Some(context),
                ..QueuedOrder::new(OrderId(i64::MAX - index), ProductId::parse("p").unwrap())
            })
            .collect();
        let [batch] = pack(&orders, 1).try_into().unwrap();
        assert_eq!((batch.order_ids.len(), batch.traces.len()), (1024, 32));
        // A key with its length, the type of the value, and a text with its length.
        let entry = |key: &str| 1 + key.len() + 1 + 4 + context.to_string().len();
        let table: usize = batch
            .traces
            .iter()
            .map(|(id, _)| entry(&id.to_string()))
            .sum();
        // The other properties are about 100 bytes, and a frame has at least 4,096 (AMQP 0-9-1, 4.2.3).
        assert!(table + entry("traceparent") < 3_900, "{table}");
    }

    #[test]
    fn unknown_members_are_ignored() {
        let body = br#"{"version":2,"order_ids":[1,2],"more":{"order_ids":[3]}}"#;
        assert_eq!(decode(body).unwrap(), [OrderId(1), OrderId(2)]);
        let twice = br#"{"order_ids":[1],"order_ids":[2]}"#;
        assert!(decode(twice).is_err(), "a duplicate member is ambiguous");
    }

    #[test]
    fn any_other_body_is_an_error() {
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
        fn encoding_and_decoding_round_trip(ids in prop::collection::vec(1_i64.., 1..300)) {
            let ids: Vec<OrderId> = ids.into_iter().map(OrderId).collect();
            prop_assert_eq!(decode(&encode(&ids).unwrap()).unwrap(), ids);
        }

        #[test]
        fn decoding_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
        }

        #[test]
        fn packing_keeps_every_order_and_the_order_within_a_product(
            products in prop::collection::vec(0_u8..6, 0..1500), shards in 1_u16..9,
        ) {
            let orders: Vec<QueuedOrder> = (1_i64..).zip(&products).map(|(id, product)| {
                QueuedOrder::new(OrderId(id), ProductId::parse(format!("p{product}")).unwrap())
            }).collect();
            let batches = pack(&orders, shards);
            prop_assert!(batches.iter().all(|it| (1..=MAX_IDS_PER_MESSAGE).contains(&it.order_ids.len())));
            for shard in 0..shards {
                let sent: Vec<OrderId> = batches.iter().filter(|it| it.shard == shard)
                    .flat_map(|it| it.order_ids.clone()).collect();
                let expected: Vec<OrderId> = orders.iter()
                    .filter(|it| shard_of(&it.product_id, shards) == shard).map(|it| it.order_id).collect();
                prop_assert_eq!(sent, expected);
            }
        }
    }
}
