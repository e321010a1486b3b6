//! What the binaries share: from settings to adapters, and how a process is told to stop.
//!
//! Only binaries depend on this crate. Settings know no adapter and adapters know no settings; this is where they meet.

use std::time::Duration;

use anyhow::{Context as _, bail};
use queue_rabbitmq::RabbitOptions;
use settings::{DatabaseSettings, LogFormat, RabbitmqSettings, TelemetrySettings, VendorSettings};
use storage_postgres::PgOptions;
use storage_postgres::migrations::{self, MigrationError};
use tokio::signal::unix::{SignalKind, signal};
use vendor_http::{FeedFormat, HttpVendorFeed, HttpVendorOptions};

/// Starts the process's logging.
///
/// # Errors
/// If the filter is not one, or logging was started before.
pub fn start_telemetry(settings: &TelemetrySettings) -> anyhow::Result<()> {
    let format = match settings.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    Ok(telemetry::init(format, &settings.filter)?)
}

/// How a program that calls itself `program` reaches the database.
#[must_use]
pub fn postgres(settings: &DatabaseSettings, program: &str) -> PgOptions {
    PgOptions {
        host: settings.host.clone(),
        port: settings.port,
        user: settings.user.clone(),
        password: settings
            .password
            .as_ref()
            .map(|password| password.reveal().to_owned()),
        database: settings.name.clone(),
        application_name: program.to_owned(),
        pool_size: settings.pool_size,
        pool_wait: settings.pool_wait,
        statement_timeout: settings.statement_timeout,
        lock_timeout: settings.lock_timeout,
    }
}

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

/// The feed of a configured vendor.
///
/// # Errors
/// If the HTTP client cannot be built.
pub fn vendor_feed(settings: &VendorSettings) -> anyhow::Result<HttpVendorFeed> {
    HttpVendorFeed::new(HttpVendorOptions {
        vendor_id: settings.id.clone(),
        url: settings.url.clone(),
        timeout: settings.timeout,
        max_bytes: settings.max_bytes,
        retries: settings.retries,
        kind: settings.kind,
        format: FeedFormat {
            items: settings.format.items.clone(),
            product_id: settings.format.product_id.clone(),
            quantity: settings.format.quantity.clone(),
            as_of: settings.format.as_of.clone(),
        },
    })
    .with_context(|| format!("vendor {} cannot be read", settings.id))
}

/// Ends the program when the database is behind it; one that cannot be reached is no reason to, it may come.
///
/// # Errors
/// If migrations are pending, or the database cannot be looked at for another reason than that it is away.
pub async fn check_migrations(options: &PgOptions) -> anyhow::Result<()> {
    /// Migrations are looked for at start only, so a database that hangs may not hold the start up for long.
    const PATIENCE: Duration = Duration::from_secs(10);
    match tokio::time::timeout(PATIENCE, migrations::pending(options)).await {
        Ok(Ok(pending)) if pending.is_empty() => Ok(()),
        Ok(Ok(pending)) => bail!(
            "database {options:?} lacks {} migrations, the first is {}: run `cargo xtask migrate`",
            pending.len(),
            pending[0]
        ),
        Ok(Err(error @ MigrationError::Unreachable(_))) => {
            tracing::warn!(database = ?options, %error, "the database cannot be looked at yet; starting all the same");
            Ok(())
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("database {options:?}")),
        Err(_) => {
            tracing::warn!(database = ?options, "the database does not answer yet; starting all the same");
            Ok(())
        }
    }
}

/// Listens from now on; the future ends when the process is told to stop, by SIGTERM or Ctrl-C, with the signal's name.
///
/// # Errors
/// If the signals cannot be listened to.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
