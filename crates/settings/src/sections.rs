//! The sections that every installation has. What each setting means in full stands in `config/default.toml`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use crate::access::{RateLimitSettings, TlsSettings};
use crate::{Secret, access, fields};

/// The HTTP API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct ApiSettings {
    /// Where to listen.
    #[serde(deserialize_with = "fields::ip_address")]
    pub address: IpAddr,
    /// Where to listen; 0 lets the system choose.
    #[serde(deserialize_with = "fields::whole::<_, _, 0, 65_535>")]
    pub port: u16,
    /// HTTP threads.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 256>")]
    pub workers: usize,
    /// Most orders written in one transaction.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 4_096>")]
    pub write_batch_size: usize,
    /// Most orders that wait to be written.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 1_000_000>")]
    pub write_queue_size: usize,
    /// Transactions that write orders at the same time.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 64>")]
    pub batch_writers: usize,
    /// Longest time from the head of a request to the end of its body.
    #[serde(deserialize_with = "fields::span::<_, 100, 600_000>")]
    pub body_timeout: Duration,
    /// A client that takes nothing for so long of what is sent to it is cut off.
    #[serde(deserialize_with = "fields::span::<_, 1_000, 3_600_000>")]
    pub send_timeout: Duration,
    /// How long requests may take to end at shutdown.
    #[serde(deserialize_with = "fields::span::<_, 100, 600_000>")]
    pub shutdown_timeout: Duration,
    /// Most readers of events at a time.
    #[serde(deserialize_with = "fields::whole::<_, _, 0, 100_000>")]
    pub max_event_streams: usize,
    /// Most bytes of events that are kept for readers that are behind.
    #[serde(deserialize_with = "fields::whole::<_, _, 1_048_576, 1_073_741_824>")]
    pub event_buffer_bytes: usize,
    /// Most bytes of events that all readers together are sent in a second.
    #[serde(deserialize_with = "fields::whole::<_, _, 1_048_576, 17_179_869_184>")]
    pub event_bytes_per_second: usize,
    /// Hosts that requests may name beside loopback.
    #[serde(deserialize_with = "access::hosts")]
    pub allowed_hosts: Vec<Host>,
    /// Web pages of these origins may call from a browser.
    #[serde(deserialize_with = "access::origins")]
    pub cors_origins: Vec<String>,
    /// How often one caller may call.
    pub rate_limit: RateLimitSettings,
    /// TLS; without it the API speaks plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// Settlement, relay, sweeper and syncs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct WorkerSettings {
    /// Where to answer health checks.
    #[serde(deserialize_with = "fields::ip_address")]
    pub address: IpAddr,
    /// Where to answer health checks; 0 lets the system choose.
    #[serde(deserialize_with = "fields::whole::<_, _, 0, 65_535>")]
    pub port: u16,
    /// Queue consumers in one process.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 64>")]
    pub consumers: usize,
    /// Most orders settled in one transaction.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 4_096>")]
    pub batch: usize,
    /// Most outbox entries handed to the queue at a time.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 4_096>")]
    pub relay_batch: u32,
    /// How long the relay waits for a notification before it looks by itself.
    #[serde(deserialize_with = "fields::span::<_, 10, 60_000>")]
    pub relay_poll_interval: Duration,
    /// How long a relay's claim on outbox entries lasts.
    #[serde(deserialize_with = "fields::span::<_, 1_000, 600_000>")]
    pub relay_lease: Duration,
    /// How long a rejection waits at most while a configured vendor was never tried.
    #[serde(deserialize_with = "fields::span::<_, 0, 3_600_000>")]
    pub first_sync_grace: Duration,
    /// How often to look for orders that stay `PENDING`.
    #[serde(deserialize_with = "fields::span::<_, 100, 3_600_000>")]
    pub sweep_interval: Duration,
    /// How long an order stays `PENDING` before it is queued again.
    #[serde(deserialize_with = "fields::span::<_, 100, 86_400_000>")]
    pub pending_timeout: Duration,
    /// With more messages waiting than this, nothing is queued again.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 1_000_000_000>")]
    pub max_queue_depth: u64,
    /// How long an idempotency key is kept.
    #[serde(deserialize_with = "fields::span::<_, 86_400_000, 31_536_000_000>")]
    pub idempotency_key_retention: Duration,
    /// How long the change log is kept.
    #[serde(deserialize_with = "fields::span::<_, 60_000, 604_800_000>")]
    pub change_log_retention: Duration,
    /// How long work under way may take to end at shutdown.
    #[serde(deserialize_with = "fields::span::<_, 100, 600_000>")]
    pub shutdown_timeout: Duration,
}

/// PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct DatabaseSettings {
    /// Host name or address.
    #[serde(deserialize_with = "fields::text")]
    pub host: String,
    /// Port.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 65_535>")]
    pub port: u16,
    /// User.
    #[serde(deserialize_with = "fields::text")]
    pub user: String,
    /// Password, if the server asks for one.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Database.
    #[serde(deserialize_with = "fields::text")]
    pub name: String,
    /// Most connections of one process.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 1_000>")]
    pub pool_size: usize,
    /// Longest wait for a free connection.
    #[serde(deserialize_with = "fields::span::<_, 10, 300_000>")]
    pub pool_timeout: Duration,
    /// Longest run of one statement.
    #[serde(deserialize_with = "fields::span::<_, 100, 3_600_000>")]
    pub statement_timeout: Duration,
    /// Longest wait for one lock.
    #[serde(deserialize_with = "fields::span::<_, 100, 3_600_000>")]
    pub lock_timeout: Duration,
    /// Longest wait for a commit before its outcome counts as unknown.
    #[serde(deserialize_with = "fields::span::<_, 100, 300_000>")]
    pub commit_timeout: Duration,
}

/// The store of the embedded deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct EmbeddedSettings {
    /// The data file.
    #[serde(deserialize_with = "fields::path")]
    pub path: PathBuf,
    /// Most reads at the same time.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 64>")]
    pub readers: usize,
    /// Longest wait for a turn to write.
    #[serde(deserialize_with = "fields::span::<_, 10, 300_000>")]
    pub write_timeout: Duration,
}

/// The message broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct RabbitmqSettings {
    /// `amqp://user:password@host:port/vhost`.
    #[serde(deserialize_with = "amqp_url")]
    pub url: Secret,
    /// How many queues orders are spread over.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 1_024>")]
    pub queues: u16,
    /// Most unacknowledged messages that one consumer holds of each queue.
    #[serde(deserialize_with = "fields::whole::<_, _, 1, 10_000>")]
    pub prefetch: u16,
    /// Longest wait for the broker to confirm a publication.
    #[serde(deserialize_with = "fields::span::<_, 100, 300_000>")]
    pub confirm_timeout: Duration,
    /// Interval of heartbeats; a connection that misses two is given up.
    #[serde(deserialize_with = "fields::span::<_, 1_000, 300_000>")]
    pub heartbeat: Duration,
}

fn amqp_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    const EXPECTED: &str = "amqp://user:password@host:port/vhost";
    let text = fields::secret_text(deserializer)?;
    // No message shows any part of the text: whatever was mixed up, the password is in it.
    let Ok(url) = Url::parse(&text) else {
        return Err(D::Error::custom(format!(
            "is not a URL, expected {EXPECTED}"
        )));
    };
    match url.scheme() {
        "amqp" => {}
        "amqps" => {
            return Err(D::Error::custom(
                "is an amqps:// URL, expected amqp://: TLS to the broker is not supported yet, put a TLS proxy in between",
            ));
        }
        _ => {
            return Err(D::Error::custom(format!(
                "is not an amqp:// URL, expected {EXPECTED}"
            )));
        }
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(D::Error::custom(format!(
            "names no host, expected {EXPECTED}"
        )));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(D::Error::custom(
            "has parameters after the path, expected none: set rabbitmq.heartbeat and the like instead",
        ));
    }
    Ok(Secret::new(text))
}

/// Logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct TelemetrySettings {
    /// How a line looks.
    #[serde(deserialize_with = "log_format")]
    pub format: LogFormat,
    /// What is logged, as `RUST_LOG` would say it; `RUST_LOG` wins.
    #[serde(deserialize_with = "fields::text")]
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    fields::word(
        deserializer,
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    )
}
