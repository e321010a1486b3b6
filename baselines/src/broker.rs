//! What the broker alone can do: one publisher that keeps a window of messages unconfirmed, one consumer that acknowledges
//! many at once, one quorum queue between them, all messages persistent.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, AmqpValue, Auth, Channel, Confirm, Connection, ConnectionOptions,
    ConnectionTuning, ConsumerMessage, ConsumerOptions, FieldTable, Publish, QueueDeclareOptions,
    QueueDeleteOptions,
};
use anyhow::{Context as _, bail};
use serde::Serialize;
use settings::RabbitmqSettings;

const QUEUE: &str = "baseline";
const PERSISTENT: u8 = 2;
/// Messages that are published and not confirmed; the publisher waits beyond it.
const WINDOW: u64 = 256;
/// Most deliveries that the consumer holds unacknowledged.
const PREFETCH: u16 = 512;
/// The consumer acknowledges when it has so many, or when nothing more is there.
const ACKNOWLEDGED_AT_ONCE: u32 = 64;

/// What came out of the queue, in a second.
#[derive(Debug, Serialize)]
pub(crate) struct Carried {
    messages_per_s: f64,
    order_ids_per_s: f64,
}

/// Publishes and consumes at once for a time, then takes what is left.
pub(crate) fn run(
    settings: &RabbitmqSettings,
    time: Duration,
    ids: u32,
) -> anyhow::Result<Carried> {
    let mut sender = connect(settings)?;
    let mut receiver = connect(settings)?;
    let outgoing = sender.open_channel(None)?;
    declare(&outgoing)?;
    let incoming = receiver.open_channel(None)?;
    let body = body(ids);
    let began = Instant::now();
    let (published, took) = std::thread::scope(|scope| {
        let (counted, count) = std::sync::mpsc::channel();
        let consuming = scope.spawn(move || consume(&incoming, &count, began));
        let published = publish(&outgoing, &body, began + time);
        let total = published.as_ref().map_or(0, |total| *total);
        // A consumer that failed says so itself.
        let _ = counted.send(total);
        let took = consuming
            .join()
            .unwrap_or_else(|_| bail!("the consumer panicked"));
        Ok::<_, anyhow::Error>((published?, took?))
    })?;
    outgoing.queue_delete(QUEUE, QueueDeleteOptions::default())?;
    receiver.close()?;
    sender.close()?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of a few seconds are exact"
    )]
    let messages_per_s = published as f64 / took.as_secs_f64();
    Ok(Carried {
        messages_per_s,
        order_ids_per_s: messages_per_s * f64::from(ids),
    })
}

/// A message like the service's, with so many ids.
fn body(ids: u32) -> Vec<u8> {
    let ids: Vec<u32> = (1_000_000..1_000_000 + ids).collect();
    serde_json::json!({ "order_ids": ids })
        .to_string()
        .into_bytes()
}

fn connect(settings: &RabbitmqSettings) -> anyhow::Result<Connection> {
    let options = wiring::rabbitmq(settings, "order-aggregator-baselines")?;
    let stream = TcpStream::connect((options.host.as_str(), options.port))
        .context("cannot reach RabbitMQ")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let login = ConnectionOptions::<Auth>::default()
        .auth(Auth::Plain {
            username: options.user,
            password: options.password,
        })
        .virtual_host(options.vhost);
    let stream = mio::net::TcpStream::from_stream(stream)?;
    Ok(Connection::insecure_open_stream(
        stream,
        login,
        ConnectionTuning::default(),
    )?)
}

fn declare(channel: &Channel) -> anyhow::Result<()> {
    let kind = (
        "x-queue-type".to_owned(),
        AmqpValue::LongString("quorum".to_owned()),
    );
    let options = QueueDeclareOptions {
        durable: true,
        arguments: FieldTable::from([kind]),
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(QUEUE, options)?;
    Ok(())
}

/// Returns how many messages were published, all of them confirmed.
fn publish(channel: &Channel, body: &[u8], until: Instant) -> anyhow::Result<u64> {
    let confirms = channel.listen_for_publisher_confirms()?;
    channel.enable_publisher_confirms()?;
    let properties = AmqpProperties::default().with_delivery_mode(PERSISTENT);
    let (mut sent, mut confirmed) = (0, 0);
    while Instant::now() < until {
        while sent - confirmed < WINDOW {
            let message = Publish::with_properties(body, QUEUE, properties.clone());
            channel.basic_publish("", message)?;
            sent += 1;
        }
        confirmed = highest(&confirms.recv()?, confirmed)?;
        for confirm in confirms.try_iter() {
            confirmed = highest(&confirm, confirmed)?;
        }
    }
    while confirmed < sent {
        confirmed = highest(&confirms.recv()?, confirmed)?;
    }
    Ok(sent)
}

/// How many are confirmed after this word. A quorum queue confirms a channel's messages in their order.
fn highest(confirm: &Confirm, before: u64) -> anyhow::Result<u64> {
    match confirm {
        Confirm::Ack(confirm) => Ok(before.max(confirm.delivery_tag)),
        Confirm::Nack(confirm) => bail!("the broker refused message {}", confirm.delivery_tag),
    }
}

/// Takes messages until as many came as were published. Returns how long it took from the beginning.
fn consume(
    channel: &Channel,
    count: &std::sync::mpsc::Receiver<u64>,
    began: Instant,
) -> anyhow::Result<Duration> {
    /// How often a consumer to which nothing comes asks whether that is all.
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    channel.qos(0, PREFETCH, false)?;
    let consumer = channel.basic_consume(QUEUE, ConsumerOptions::default())?;
    let (mut taken, mut expected) = (0_u64, None);
    let mut last_came = began;
    while expected.is_none_or(|expected| taken < expected) {
        let Ok(message) = consumer.receiver().recv_timeout(LOOK_EVERY) else {
            expected = expected.or_else(|| count.try_recv().ok());
            continue;
        };
        let mut newest = delivery(message)?;
        let mut held = 1;
        while held < ACKNOWLEDGED_AT_ONCE {
            let Ok(message) = consumer.receiver().try_recv() else {
                break;
            };
            newest = delivery(message)?;
            held += 1;
        }
        taken += u64::from(held);
        consumer.ack_multiple(newest)?;
        last_came = Instant::now();
        if expected.is_none() {
            expected = count.try_recv().ok();
        }
    }
    Ok(last_came - began)
}

fn delivery(message: ConsumerMessage) -> anyhow::Result<amiquip::Delivery> {
    match message {
        ConsumerMessage::Delivery(delivery) => Ok(delivery),
        other => bail!("the subscription ended: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_the_service_sends() {
        assert_eq!(body(2), br#"{"order_ids":[1000000,1000001]}"#);
    }
}
