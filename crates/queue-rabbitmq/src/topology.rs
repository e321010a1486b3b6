//! The topology on the broker: names and arguments, checked and declared at every connect.
//!
//! Everything is declared passively first, which needs no permissions: a user without the configure permission can use
//! a topology that another user declared. Missing objects are declared. Existing objects are declared again if the user
//! has the permission, because only that makes the broker compare the arguments.

use std::time::Instant;

use amiquip::{
    AmqpValue, Channel, Connection, ExchangeDeclareOptions, ExchangeType, FieldTable,
    QueueDeclareOptions,
};
use tracing::error;

use crate::broker_connection::{BrokerError, CALL_TIMEOUT};
use crate::log_text::one_line;
use crate::watchdog::Guard;

/// Exchange to which orders are published.
pub(crate) const EXCHANGE: &str = "orders";

/// Queue of messages that cannot be decoded or exceeded the delivery limit.
pub(crate) const DEAD_QUEUE: &str = "orders.dead";

/// Deliveries of a message before the broker dead-letters it, because it seems to crash its consumers.
const DELIVERY_LIMIT: i32 = 20;

/// Number of consecutive missing queues that ends the search for queues above the configured number.
const MAX_GAP: u16 = 4;

/// AMQP reply codes.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;

/// Returns the queue of a shard.
pub(crate) fn queue_name(shard: u16) -> String {
    format!("orders.{shard}")
}

/// Returns the routing key of a shard.
pub(crate) fn routing_key(shard: u16) -> String {
    shard.to_string()
}

/// Ensures that the exchange, the queues and the bindings exist. Existing ones are not changed.
pub(crate) fn declare(
    connection: &mut Connection,
    guard: &Guard,
    shards: u16,
) -> Result<(), BrokerError> {
    let mut declaring = Declaring {
        calls: Calls::new(connection, guard),
        may_configure: true,
        may_bind: true,
    };
    declaring.exchange()?;
    declaring.queue(DEAD_QUEUE, &dead_queue_arguments())?;
    for shard in 0..shards {
        let name = queue_name(shard);
        declaring.queue(&name, &shard_arguments())?;
        declaring.bind(&name, &routing_key(shard))?;
    }
    Ok(())
}

/// Returns the numbers of the queues above the configured number, which was higher before. [`MAX_GAP`] consecutive
/// missing queues end the search: some of the queues may have been deleted manually.
pub(crate) fn surplus(
    connection: &mut Connection,
    guard: &Guard,
    shards: u16,
) -> amiquip::Result<Vec<u16>> {
    let mut calls = Calls::new(connection, guard);
    let mut found = Vec::new();
    let mut missing = 0;
    for shard in shards..u16::MAX {
        if calls.message_count(&queue_name(shard))?.is_some() {
            found.push(shard);
            missing = 0;
        } else {
            missing += 1;
            if missing == MAX_GAP {
                break;
            }
        }
    }
    Ok(found)
}

/// Calls on a dedicated channel, which is replaced whenever the broker closes it because of a failed call.
pub(crate) struct Calls<'a> {
    connection: &'a mut Connection,
    guard: &'a Guard,
    channel: Option<Channel>,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(connection: &'a mut Connection, guard: &'a Guard) -> Self {
        Self {
            connection,
            guard,
            channel: None,
        }
    }

    pub(crate) fn call<T>(
        &mut self,
        act: impl FnOnce(&Channel) -> amiquip::Result<T>,
    ) -> amiquip::Result<T> {
        self.guard.renew(Instant::now() + CALL_TIMEOUT);
        let channel = match self.channel.take() {
            Some(channel) => channel,
            None => self.connection.open_channel(None)?,
        };
        let result = act(&channel);
        if result.is_ok() {
            self.channel = Some(channel);
        }
        result
    }

    /// Returns the number of ready messages in a queue; `None` if the queue does not exist.
    pub(crate) fn message_count(&mut self, name: &str) -> amiquip::Result<Option<u64>> {
        let counted = self.call(|channel| {
            let queue = channel.queue_declare_passive(name)?;
            Ok(queue.declared_message_count().unwrap_or_default())
        });
        match counted {
            Ok(count) => Ok(Some(count.into())),
            Err(error) if has_code(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

struct Declaring<'a> {
    calls: Calls<'a>,
    /// False once the broker has refused a declaration.
    may_configure: bool,
    may_bind: bool,
}

impl Declaring<'_> {
    fn exchange(&mut self) -> Result<(), BrokerError> {
        self.ensure(
            EXCHANGE,
            |channel| channel.exchange_declare_passive(EXCHANGE).map(drop),
            |channel| {
                let options = ExchangeDeclareOptions {
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                channel
                    .exchange_declare(ExchangeType::Direct, EXCHANGE, options)
                    .map(drop)
            },
        )
    }

    fn queue(&mut self, name: &str, arguments: &FieldTable) -> Result<(), BrokerError> {
        self.ensure(
            name,
            |channel| channel.queue_declare_passive(name).map(drop),
            |channel| {
                let options = QueueDeclareOptions {
                    durable: true,
                    arguments: arguments.clone(),
                    ..QueueDeclareOptions::default()
                };
                channel.queue_declare(name, options).map(drop)
            },
        )
    }

    fn ensure(
        &mut self,
        name: &str,
        passive: impl Fn(&Channel) -> amiquip::Result<()>,
        active: impl Fn(&Channel) -> amiquip::Result<()>,
    ) -> Result<(), BrokerError> {
        match self.calls.call(passive) {
            Ok(()) if !self.may_configure => return Ok(()),
            Ok(()) => {}
            Err(error) if has_code(&error, NOT_FOUND) => {
                return self
                    .calls
                    .call(active)
                    .map_err(|error| explain(name, error));
            }
            Err(error) => return Err(explain(name, error)),
        }
        match self.calls.call(active) {
            Err(error) if has_code(&error, ACCESS_REFUSED) => {
                self.may_configure = false;
                Ok(())
            }
            result => result.map_err(|error| explain(name, error)),
        }
    }

    /// Binds a queue. The protocol has no passive bind: without the bind permission the binding is assumed to exist,
    /// and publishing fails if it does not.
    fn bind(&mut self, name: &str, key: &str) -> Result<(), BrokerError> {
        if !self.may_bind {
            return Ok(());
        }
        let bound = self
            .calls
            .call(|channel| channel.queue_bind(name, EXCHANGE, key, FieldTable::new()));
        match bound {
            Err(error) if has_code(&error, ACCESS_REFUSED) => {
                self.may_bind = false;
                Ok(())
            }
            result => result.map_err(|error| explain(name, error)),
        }
    }
}

fn has_code(error: &amiquip::Error, wanted: u16) -> bool {
    matches!(error, amiquip::Error::ServerClosedChannel { code, .. } if *code == wanted)
}

/// Converts a failed declaration. The broker uses the same code for many reasons, such as a limit on the number of
/// queues: only "inequivalent arg" means that the queue must be removed.
fn explain(name: &str, failure: amiquip::Error) -> BrokerError {
    let amiquip::Error::ServerClosedChannel { code, message, .. } = failure else {
        return BrokerError::Call(failure);
    };
    let reason = one_line(message);
    if code == PRECONDITION_FAILED && reason.contains("inequivalent arg") {
        error!(
            rabbitmq.name = name,
            reason,
            "exists on the broker with other arguments; see docs/operate/broker.md before removing it: pending dead letters are not \
             included in its message count"
        );
        return BrokerError::OtherArguments {
            name: name.to_owned(),
            reason,
        };
    }
    BrokerError::Refused {
        name: name.to_owned(),
        reason,
    }
}

fn quorum() -> FieldTable {
    FieldTable::from([text("x-queue-type", "quorum")])
}

/// Reading a dead message counts as a delivery, and RabbitMQ 4 drops a message of a quorum queue after 20 deliveries
/// unless the queue has a limit of its own. -1 means "no limit" only in newer versions: RabbitMQ 3.10 treats it as a
/// limit that is exceeded immediately.
fn dead_queue_arguments() -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-delivery-limit".to_owned(), AmqpValue::LongInt(i32::MAX));
    arguments
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
        // The broker keeps a message until the dead-letter queue has confirmed it; this strategy requires the overflow
        // behaviour below.
        text("x-dead-letter-strategy", "at-least-once"),
        text("x-overflow", "reject-publish"),
    ]);
    arguments
}

fn text(key: &str, value: &str) -> (String, AmqpValue) {
    (key.to_owned(), AmqpValue::LongString(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, message: &str) -> BrokerError {
        let failure = amiquip::Error::ServerClosedChannel {
            channel_id: 1,
            code,
            message: message.to_owned(),
        };
        explain("orders.2", failure)
    }

    #[test]
    fn only_inequivalent_arguments_suggest_removing_the_queue() {
        let other = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'orders.2'";
        let shown = closed(PRECONDITION_FAILED, other).to_string();
        assert!(
            shown.starts_with("orders.2 exists on the broker with other arguments"),
            "{shown}"
        );
        let limit = "PRECONDITION_FAILED - cannot declare queue 'orders.2': queue limit is reached";
        let refused = "ACCESS_REFUSED - access to queue 'orders.2' refused for user 'u'";
        for (code, message) in [(PRECONDITION_FAILED, limit), (ACCESS_REFUSED, refused)] {
            let shown = closed(code, message).to_string();
            let expected = format!("the broker refused to declare orders.2: {message}");
            assert_eq!(shown, expected);
        }
    }
}
