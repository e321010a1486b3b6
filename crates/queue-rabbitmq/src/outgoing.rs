//! Outgoing messages with their properties.

use amiquip::{AmqpProperties, Publish};

use crate::message::{self, MessageBatch};
use crate::topology::routing_key;
use crate::trace_headers;

/// The AMQP delivery mode "persistent".
const PERSISTENT: u8 = 2;

/// A message that can be published any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    routing_key: String,
    body: Vec<u8>,
    properties: AmqpProperties,
}

impl Outgoing {
    /// Encodes orders for settlement.
    pub(crate) fn orders(batch: &MessageBatch) -> Result<Self, serde_json::Error> {
        Ok(Self {
            routing_key: routing_key(batch.shard),
            body: message::encode(&batch.order_ids)?,
            properties: trace_headers::write(
                AmqpProperties::default()
                    .with_content_type("application/json".to_owned())
                    .with_delivery_mode(PERSISTENT),
                &batch.traces,
            ),
        })
    }

    /// Builds the publication. The message id is the delivery tag, which identifies a returned message.
    pub(crate) fn publish(&self, tag: u64) -> Publish<'_> {
        let properties = self.properties.clone().with_message_id(tag.to_string());
        let mut publish =
            Publish::with_properties(&self.body, self.routing_key.as_str(), properties);
        publish.mandatory = true;
        publish
    }
}
