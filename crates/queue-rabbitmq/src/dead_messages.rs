//! The messages in `orders.dead`, for a person to look at: those that cannot be read, and those that the broker gave up
//! after too many deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiquip::{AmqpValue, Delivery, FieldTable};
use domain::identifiers::OrderId;
use domain::ports::QueueError;
use domain::timestamp::Timestamp;

use crate::link::{CALL_TIMEOUT, Link};
use crate::message;
use crate::options::RabbitOptions;
use crate::topology::DEAD_QUEUE;
use crate::watchdog::Watchdog;
use crate::wording::one_line;

/// How long the messages may be held while they are looked at: the broker waits this long for its heartbeats at least.
const CLOSE_AFTER: Duration = Duration::from_mins(10);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// Names the message: a checksum of its body and of where and when it died. Equal messages have equal names.
    pub id: String,
    /// The queue in which it died, if the broker says so.
    pub queue: Option<String>,
    /// Why the broker moved it: `rejected` or `delivery_limit`; what an older version wrote, if it copied the message.
    pub cause: String,
    /// When it died, to the second, if the broker says so.
    pub died_at: Option<Timestamp>,
    /// Its orders, or why the body is not a message.
    pub orders: Result<Vec<OrderId>, String>,
    /// The body as it is.
    pub body: Vec<u8>,
}

/// What becomes of a message that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It stays where it is.
    Keep,
    /// It is removed.
    Remove,
}

/// A connection to the broker that reads dead messages. It blocks: not for a thread that runs futures.
pub struct DeadMessages {
    link: Link,
}

impl DeadMessages {
    /// Connects.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], with the reason.
    pub fn open(options: &RabbitOptions) -> Result<Self, QueueError> {
        let watchdog = Watchdog::start("rabbitmq-dead-messages").map_err(unavailable)?;
        let link = Link::open(options, &Arc::new(watchdog)).map_err(unavailable)?;
        Ok(Self { link })
    }

    /// Shows the messages that are there now, oldest first, and removes those for which `decide` says so. The others are
    /// back in their place afterwards; meanwhile nobody else sees any of them.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if the broker fails, or the error of `decide`, which ends the round: what was removed
    /// before stays removed.
    pub fn visit<E: From<QueueError>>(
        mut self,
        mut decide: impl FnMut(&DeadMessage) -> Result<Disposition, E>,
    ) -> Result<(), E> {
        let visited = self.visit_all(&mut decide);
        // Gives back what is not removed.
        self.link.close();
        visited
    }

    fn visit_all<E: From<QueueError>>(
        &mut self,
        decide: &mut impl FnMut(&DeadMessage) -> Result<Disposition, E>,
    ) -> Result<(), E> {
        let failed = |error: amiquip::Error| E::from(unavailable(error));
        let guard = self.link.guard(Instant::now() + CALL_TIMEOUT);
        let channel = self.link.connection.open_channel(None).map_err(failed)?;
        let queue = channel.queue_declare_passive(DEAD_QUEUE).map_err(failed)?;
        for _ in 0..queue.declared_message_count().unwrap_or_default() {
            guard.renew(Instant::now() + CALL_TIMEOUT);
            let Some(got) = channel.basic_get(DEAD_QUEUE, false).map_err(failed)? else {
                break;
            };
            let message = DeadMessage::of(&got.delivery);
            // Whatever it asks may take time.
            guard.renew(Instant::now() + CLOSE_AFTER);
            if decide(&message)? == Disposition::Remove {
                guard.renew(Instant::now() + CALL_TIMEOUT);
                got.ack(&channel).map_err(failed)?;
            }
        }
        guard.renew(Instant::now() + CALL_TIMEOUT);
        // Closed in good order: what was acknowledged has then reached the broker.
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

/// The newest entry of `x-death`, which the broker keeps first.
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
