//! Reads the messages in `orders.dead` for an operator: messages that cannot be decoded, and messages that exceeded the
//! delivery limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{AmqpValue, Delivery, FieldTable};
use domain::identifiers::OrderId;
use domain::ports::QueueError;
use domain::timestamp::Timestamp;

use crate::broker_connection::{BrokerConnection, CALL_TIMEOUT};
use crate::log_text::one_line;
use crate::message;
use crate::options::RabbitOptions;
use crate::topology::DEAD_QUEUE;
use crate::watchdog::Watchdog;

/// Maximum time between reading a message and deciding about it, after which the connection is closed.
const CLOSE_AFTER: Duration = Duration::from_mins(10);

/// A message of `orders.dead`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// Identifies the message: a checksum of its body and of the queue and time of its death. Equal messages have equal
    /// ids.
    pub id: String,
    /// The queue in which the message died, if the broker reports it.
    pub queue: Option<String>,
    /// The reason reported by the broker: `rejected` or `delivery_limit`; for a message copied by an older version, the
    /// reason written by that version.
    pub cause: String,
    /// Time of death in seconds precision, if the broker reports it.
    pub died_at: Option<Timestamp>,
    /// The order ids of the message, or why the body cannot be decoded.
    pub orders: Result<Vec<OrderId>, String>,
    /// The unmodified body.
    pub body: Vec<u8>,
}

/// Action on a dead message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Leave the message in the queue.
    Keep,
    /// Remove the message.
    Remove,
}

/// A connection to the broker that reads dead messages. Its methods block: do not call them on an async thread.
pub struct DeadMessages {
    broker: BrokerConnection,
}

impl DeadMessages {
    /// Connects to the broker.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] with the reason.
    pub fn open(options: &RabbitOptions) -> Result<Self, QueueError> {
        let watchdog = Watchdog::start("rabbitmq-dead-messages").map_err(unavailable)?;
        let broker = BrokerConnection::open(options, &Arc::new(watchdog)).map_err(unavailable)?;
        Ok(Self { broker })
    }

    /// Passes each message that is in the queue now to `decide`, oldest first, and removes those for which it returns
    /// [`Disposition::Remove`]. The other messages are requeued afterwards; other consumers do not see any of them
    /// meanwhile.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if the broker fails, or the error of `decide`, which ends the iteration. Messages
    /// that were removed before stay removed.
    pub fn visit<E: From<QueueError>>(
        mut self,
        mut decide: impl FnMut(&DeadMessage) -> Result<Disposition, E>,
    ) -> Result<(), E> {
        let visited = self.visit_all(&mut decide);
        // Closing the connection requeues the messages that were not removed.
        self.broker.close();
        visited
    }

    fn visit_all<E: From<QueueError>>(
        &mut self,
        decide: &mut impl FnMut(&DeadMessage) -> Result<Disposition, E>,
    ) -> Result<(), E> {
        let failed = |error: amiquip::Error| E::from(unavailable(error));
        let guard = self.broker.guard(Instant::now() + CALL_TIMEOUT);
        let channel = self.broker.connection.open_channel(None).map_err(failed)?;
        let queue = channel.queue_declare_passive(DEAD_QUEUE).map_err(failed)?;
        for _ in 0..queue.declared_message_count().unwrap_or_default() {
            guard.renew(Instant::now() + CALL_TIMEOUT);
            let Some(got) = channel.basic_get(DEAD_QUEUE, false).map_err(failed)? else {
                break;
            };
            let message = DeadMessage::of(&got.delivery);
            // `decide` may wait for user input.
            guard.renew(Instant::now() + CLOSE_AFTER);
            if decide(&message)? == Disposition::Remove {
                guard.renew(Instant::now() + CALL_TIMEOUT);
                got.ack(&channel).map_err(failed)?;
            }
        }
        guard.renew(Instant::now() + CALL_TIMEOUT);
        // The close handshake ensures that the broker has received the acknowledgements.
        channel.close().map_err(failed)
    }
}

impl DeadMessage {
    fn of(delivery: &Delivery) -> Self {
        let headers = delivery.properties.headers().as_ref();
        let death = headers.and_then(last_death);
        let queue = death.and_then(|death| text(death, "queue"));
        let copied = headers.and_then(|headers| text(headers, "x-reason"));
        let cause = death.and_then(|death| text(death, "reason")).or(copied);
        let died_at_s = death.and_then(|death| match death.get("time") {
            Some(AmqpValue::Timestamp(seconds)) => i64::try_from(*seconds).ok(),
            _ => None,
        });
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&delivery.body);
        checksum.update(queue.as_deref().unwrap_or_default().as_bytes());
        checksum.update(&died_at_s.unwrap_or_default().to_be_bytes());
        Self {
            id: format!("{:08x}", checksum.finalize()),
            queue,
            cause: cause.unwrap_or_else(|| "not stated".to_owned()),
            died_at: died_at_s
                .and_then(|seconds| seconds.checked_mul(1_000_000))
                .map(Timestamp::from_micros),
            orders: message::decode(&delivery.body).map_err(one_line),
            body: delivery.body.clone(),
        }
    }
}

/// Returns the newest entry of `x-death`, which is the first one.
fn last_death(headers: &FieldTable) -> Option<&FieldTable> {
    match headers.get("x-death")? {
        AmqpValue::FieldArray(deaths) => match deaths.first()? {
            AmqpValue::FieldTable(death) => Some(death),
            _ => None,
        },
        _ => None,
    }
}

fn text(table: &FieldTable, key: &str) -> Option<String> {
    match table.get(key)? {
        AmqpValue::LongString(text) => Some(one_line(text)),
        _ => None,
    }
}

fn unavailable(error: impl std::fmt::Display) -> QueueError {
    QueueError::Unavailable(one_line(error))
}
