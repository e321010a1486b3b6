//! Messages on their way to the broker, and what they carry beside the body.

use amiquip::{AmqpProperties, AmqpValue, Delivery, FieldTable, Publish};
use domain::identifiers::OrderId;

use crate::message::Parcel;
use crate::topology::{DEAD_QUEUE, EXCHANGE, routing_key};
use crate::{message, wording};

/// Why a message was put aside.
const REASON_HEADER: &str = "x-reason";

/// The queue it was in.
const ORIGINAL_QUEUE_HEADER: &str = "x-original-queue";

/// Its own id: the property is taken by ours.
const ORIGINAL_ID_HEADER: &str = "x-original-message-id";

/// Longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

/// AMQP's "on disk".
const PERSISTENT: u8 = 2;

/// The default exchange, which delivers to the queue that the routing key names.
const DEFAULT_EXCHANGE: &str = "";

/// A message ready to be sent, as often as it takes.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    exchange: &'static str,
    routing_key: String,
    body: Vec<u8>,
    properties: AmqpProperties,
}

impl Outgoing {
    /// Orders for settlement.
    pub(crate) fn orders(parcel: &Parcel) -> Result<Self, serde_json::Error> {
        Ok(Self {
            exchange: EXCHANGE,
            routing_key: routing_key(parcel.shard),
            body: message::encode(&parcel.order_ids)?,
            properties: json(),
        })
    }

    /// Orders to be put aside.
    pub(crate) fn dead_orders(
        order_ids: &[OrderId],
        reason: &str,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            exchange: DEFAULT_EXCHANGE,
            routing_key: DEAD_QUEUE.to_owned(),
            body: message::encode(order_ids)?,
            properties: json().with_headers(FieldTable::from([reason_header(reason)])),
        })
    }

    /// A delivery that cannot be read, to be put aside as it is. Takes the delivery's body.
    ///
    /// Of its properties only those are kept that describe the body: an expiration would make it vanish, a user id that is
    /// not ours would make the broker refuse it, and foreign headers are of any size and kind.
    pub(crate) fn unreadable(delivery: &mut Delivery, queue: &str, reason: &str) -> Self {
        let mut headers = FieldTable::from([
            reason_header(reason),
            (
                ORIGINAL_QUEUE_HEADER.to_owned(),
                AmqpValue::LongString(queue.to_owned()),
            ),
        ]);
        let original = &delivery.properties;
        if let Some(id) = original.message_id() {
            let id = AmqpValue::LongString(id.clone());
            headers.insert(ORIGINAL_ID_HEADER.to_owned(), id);
        }
        let mut properties = AmqpProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        if let Some(value) = original.content_type() {
            properties = properties.with_content_type(value.clone());
        }
        if let Some(value) = original.content_encoding() {
            properties = properties.with_content_encoding(value.clone());
        }
        if let Some(value) = original.correlation_id() {
            properties = properties.with_correlation_id(value.clone());
        }
        if let Some(value) = original.type_() {
            properties = properties.with_type_(value.clone());
        }
        Self {
            exchange: DEFAULT_EXCHANGE,
            routing_key: DEAD_QUEUE.to_owned(),
            body: std::mem::take(&mut delivery.body),
            properties,
        }
    }

    /// Where to.
    pub(crate) fn exchange(&self) -> &'static str {
        self.exchange
    }

    /// As the client library wants it. The tag stands in the message id, so that a return can be told apart.
    pub(crate) fn publish(&self, tag: u64) -> Publish<'_> {
        let properties = self.properties.clone().with_message_id(tag.to_string());
        let mut publish =
            Publish::with_properties(&self.body, self.routing_key.as_str(), properties);
        publish.mandatory = true;
        publish
    }
}

fn json() -> AmqpProperties {
    AmqpProperties::default()
        .with_content_type("application/json".to_owned())
        .with_delivery_mode(PERSISTENT)
}

fn reason_header(reason: &str) -> (String, AmqpValue) {
    let reason = wording::bounded(reason, MAX_REASON_CHARS);
    (REASON_HEADER.to_owned(), AmqpValue::LongString(reason))
}
