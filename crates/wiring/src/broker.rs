//! Options of the RabbitMQ adapter.

use anyhow::Context as _;
use queue_rabbitmq::RabbitOptions;
use settings::{ExposeSecret as _, RabbitmqSettings};

/// Returns the broker options of a program; `program` is its connection name.
///
/// # Errors
/// If the URL is invalid; the message does not contain it.
pub fn rabbitmq(settings: &RabbitmqSettings, program: &str) -> anyhow::Result<RabbitOptions> {
    let mut options = RabbitOptions::parse(settings.url.expose_secret())
        .context("the setting rabbitmq.url is invalid")?;
    options.queues = settings.queues;
    options.prefetch = settings.prefetch;
    options.confirm_timeout = settings.confirm_timeout;
    options.heartbeat = settings.heartbeat;
    program.clone_into(&mut options.connection_name);
    Ok(options)
}
