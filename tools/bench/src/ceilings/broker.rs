//! Throughput of the broker alone: one publisher with a window of unconfirmed messages, one quorum queue, one consumer that
//! acknowledges in batches. All messages are persistent.

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
/// Maximum number of unconfirmed messages.
const WINDOW: u64 = 256;
/// Maximum number of unacknowledged deliveries.
const PREFETCH: u16 = 512;
/// Maximum number of deliveries per acknowledgement; fewer if no other message is ready.
const ACK_BATCH: u32 = 64;

/// Rates at which the consumer received messages and order ids.
#[derive(Debug, Serialize)]
pub(crate) struct Throughput {
    messages_per_s: f64,
    order_ids_per_s: f64,
}

/// Publishes and consumes concurrently for `time`, then drains the queue.
pub(crate) fn run(
    settings: &RabbitmqSettings,
    time: Duration,
    ids: u32,
) -> anyhow::Result<Throughput> {
    let mut sender = connect(settings)?;
    let mut receiver = connect(settings)?;
    let outgoing = sender.open_channel(None)?;
    declare(&outgoing)?;
    let incoming = receiver.open_channel(None)?;
    let body = body(ids);
    let started = Instant::now();
    let (published, elapsed) = std::thread::scope(|scope| {
        let (count_sender, count) = std::sync::mpsc::channel();
        let consuming = scope.spawn(move || consume(&incoming, &count, started));
        let published = publish(&outgoing, &body, started + time);
        let total = published.as_ref().map_or(0, |total| *total);
        // If the consumer failed, its own error is returned below.
        let _ = count_sender.send(total);
        let elapsed = consuming
            .join()
            .unwrap_or_else(|_| bail!("the consumer panicked"));
        Ok::<_, anyhow::Error>((published?, elapsed?))
    })?;
    outgoing.queue_delete(QUEUE, QueueDeleteOptions::default())?;
    receiver.close()?;
    sender.close()?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of a few seconds are exact"
    )]
    let messages_per_s = published as f64 / elapsed.as_secs_f64();
    Ok(Throughput {
        messages_per_s,
        order_ids_per_s: messages_per_s * f64::from(ids),
    })
}

/// Returns a message body in the service's format, with `ids` order ids.
fn body(ids: u32) -> Vec<u8> {
    let ids: Vec<u32> = (1_000_000..1_000_000 + ids).collect();
    serde_json::json!({ "order_ids": ids })
        .to_string()
        .into_bytes()
}

fn connect(settings: &RabbitmqSettings) -> anyhow::Result<Connection> {
    let options = wiring::rabbitmq(settings, "order-aggregator-ceilings")?;
    anyhow::ensure!(
        options.tls.is_none(),
        "this ceiling is measured without TLS: set RABBITMQ_URL to an amqp:// URL"
    );
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

/// Publishes until the deadline and waits for all confirms. Returns the number of messages.
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
        confirmed = confirmed_up_to(&confirms.recv()?, confirmed)?;
        for confirm in confirms.try_iter() {
            confirmed = confirmed_up_to(&confirm, confirmed)?;
        }
    }
    while confirmed < sent {
        confirmed = confirmed_up_to(&confirms.recv()?, confirmed)?;
    }
    Ok(sent)
}

/// Returns the number of confirmed messages after this confirm. A quorum queue confirms a channel's messages in order.
fn confirmed_up_to(confirm: &Confirm, before: u64) -> anyhow::Result<u64> {
    match confirm {
        Confirm::Ack(confirm) => Ok(before.max(confirm.delivery_tag)),
        Confirm::Nack(confirm) => bail!("the broker rejected message {}", confirm.delivery_tag),
    }
}

/// Consumes until all published messages are received. Returns the time from `started` to the last acknowledgement.
fn consume(
    channel: &Channel,
    count: &std::sync::mpsc::Receiver<u64>,
    started: Instant,
) -> anyhow::Result<Duration> {
    /// Interval at which an idle consumer checks whether the publisher has finished.
    const POLL_INTERVAL: Duration = Duration::from_millis(10);
    channel.qos(0, PREFETCH, false)?;
    let consumer = channel.basic_consume(QUEUE, ConsumerOptions::default())?;
    let (mut received, mut expected) = (0_u64, None);
    let mut last_received = started;
    while expected.is_none_or(|expected| received < expected) {
        let Ok(message) = consumer.receiver().recv_timeout(POLL_INTERVAL) else {
            expected = expected.or_else(|| count.try_recv().ok());
            continue;
        };
        let mut newest = delivery(message)?;
        let mut unacknowledged = 1;
        while unacknowledged < ACK_BATCH {
            let Ok(message) = consumer.receiver().try_recv() else {
                break;
            };
            newest = delivery(message)?;
            unacknowledged += 1;
        }
        received += u64::from(unacknowledged);
        consumer.ack_multiple(newest)?;
        last_received = Instant::now();
        if expected.is_none() {
            expected = count.try_recv().ok();
        }
    }
    Ok(last_received - started)
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
    fn body_matches_the_service_message_format() {
        assert_eq!(body(2), br#"{"order_ids":[1000000,1000001]}"#);
    }
}
