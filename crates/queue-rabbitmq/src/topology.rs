//! What exists on the broker: names, arguments, and declaring it all at every connect.

use std::time::Instant;

use amiquip::{
    AmqpValue, Channel, ExchangeDeclareOptions, ExchangeType, FieldTable, QueueDeclareOptions,
};
use tracing::error;

use crate::link::{CALL_TIMEOUT, LinkError};
use crate::watchdog::Guard;
use crate::wording::one_line;

/// Where orders are published to.
pub(crate) const EXCHANGE: &str = "orders";

/// Where what nobody can settle ends up.
pub(crate) const DEAD_QUEUE: &str = "orders.dead";

/// How often a message is delivered before the broker itself puts it aside: it seems to kill whoever takes it.
const DELIVERY_LIMIT: i32 = 20;

/// AMQP's code for "exists with other arguments".
const PRECONDITION_FAILED: u16 = 406;

/// The queue of a shard.
pub(crate) fn queue_name(shard: u16) -> String {
    format!("orders.{shard}")
}

/// The routing key of a shard.
pub(crate) fn routing_key(shard: u16) -> String {
    shard.to_string()
}

/// Declares exchange, queues and bindings. Those that exist stay as they are.
pub(crate) fn declare(channel: &Channel, guard: &Guard, shards: u16) -> Result<(), LinkError> {
    let on = |name: &str, result: amiquip::Result<()>| {
        guard.renew(Instant::now() + CALL_TIMEOUT);
        result.map_err(|failure| explain(name, failure))
    };
    let exchange = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    on(
        EXCHANGE,
        channel
            .exchange_declare(ExchangeType::Direct, EXCHANGE, exchange)
            .map(|_| ()),
    )?;
    on(
        DEAD_QUEUE,
        channel
            .queue_declare(DEAD_QUEUE, durable(quorum()))
            .map(|_| ()),
    )?;
    for shard in 0..shards {
        let name = queue_name(shard);
        on(
            &name,
            channel
                .queue_declare(name.as_str(), durable(shard_arguments()))
                .map(|_| ()),
        )?;
        let key = routing_key(shard);
        on(
            &name,
            channel.queue_bind(name.as_str(), EXCHANGE, key, FieldTable::new()),
        )?;
    }
    Ok(())
}

fn explain(name: &str, failure: amiquip::Error) -> LinkError {
    match failure {
        amiquip::Error::ServerClosedChannel {
            code: PRECONDITION_FAILED,
            message,
            ..
        } => {
            let reason = one_line(message);
            error!(
                rabbitmq.name = name,
                reason, "exists on the broker with other arguments; remove it once it is empty"
            );
            LinkError::OtherArguments {
                name: name.to_owned(),
                reason,
            }
        }
        other => LinkError::Call(other),
    }
}

fn durable(arguments: FieldTable) -> QueueDeclareOptions {
    QueueDeclareOptions {
        durable: true,
        arguments,
        ..QueueDeclareOptions::default()
    }
}

fn quorum() -> FieldTable {
    FieldTable::from([text("x-queue-type", "quorum")])
}

fn shard_arguments() -> FieldTable {
    let mut arguments = quorum();
    arguments.extend([
        (
            "x-single-active-consumer".to_owned(),
            AmqpValue::Boolean(true),
        ),
        (
            "x-delivery-limit".to_owned(),
            AmqpValue::LongInt(DELIVERY_LIMIT),
        ),
        text("x-dead-letter-exchange", ""),
        text("x-dead-letter-routing-key", DEAD_QUEUE),
        // The broker keeps a message until the dead-letter queue has it; this strategy needs the overflow behaviour below.
        text("x-dead-letter-strategy", "at-least-once"),
        text("x-overflow", "reject-publish"),
    ]);
    arguments
}

fn text(key: &str, value: &str) -> (String, AmqpValue) {
    (key.to_owned(), AmqpValue::LongString(value.to_owned()))
}
