//! Messages on their way to the broker, with their properties.

use amiquip::{AmqpProperties, Publish};

use crate::message::{self, Parcel};
use crate::topology::routing_key;

/// AMQP's "on disk".
const PERSISTENT: u8 = 2;

/// A message ready to be sent, as often as it takes.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    routing_key: String,
    body: Vec<u8>,
    properties: AmqpProperties,
}

impl Outgoing {
    /// Orders for settlement.
    pub(crate) fn orders(parcel: &Parcel) -> Result<Self, serde_json::Error> {
        Ok(Self {
            routing_key: routing_key(parcel.shard),
            body: message::encode(&parcel.order_ids)?,
            properties: AmqpProperties::default()
                .with_content_type("application/json".to_owned())
                .with_delivery_mode(PERSISTENT),
        })
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
