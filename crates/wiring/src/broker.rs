//! RabbitMQ.

use anyhow::Context as _;
use queue_rabbitmq::RabbitOptions;
use settings::RabbitmqSettings;

/// How a program that calls itself `program` reaches the broker.
///
/// # Errors
/// If the URL is not one of a broker; the message does not show it.
pub fn rabbitmq(settings: &RabbitmqSettings, program: &str) -> anyhow::Result<RabbitOptions> {
    let mut options =
        RabbitOptions::parse(settings.url.reveal()).context("the setting rabbitmq.url is wrong")?;
    options.queues = settings.queues;
    options.prefetch = settings.prefetch;
    options.confirm_timeout = settings.confirm_timeout;
    options.heartbeat = settings.heartbeat;
    program.clone_into(&mut options.connection_name);
    Ok(options)
}
