//! The sections of the settings. `config/default.toml` documents each setting in full.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use crate::access::{RateLimitSettings, TlsSettings};
use crate::{access, fields};

/// The HTTP API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct ApiSettings {
    /// IP address to listen on.
    #[serde(deserialize_with = "fields::ip_address")]
    pub address: IpAddr,
    /// TCP port to listen on; 0 lets the system choose.
    #[serde(deserialize_with = "fields::integer::<_, _, 0, 65_535>")]
    pub port: u16,
    /// Number of HTTP threads.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 256>")]
    pub workers: usize,
    /// Maximum number of orders written in one transaction.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 4_096>")]
    pub write_batch_size: usize,
    /// Maximum number of orders queued for writing.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 1_000_000>")]
    pub write_queue_size: usize,
    /// Number of concurrent transactions that write orders.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 64>")]
    pub batch_writers: usize,
    /// Longest time from the head of a request to the end of its body.
    #[serde(deserialize_with = "fields::duration::<_, 100, 600_000>")]
    pub body_timeout: Duration,
    /// Time after which a client that receives nothing of its response is disconnected.
    #[serde(deserialize_with = "fields::duration::<_, 1_000, 3_600_000>")]
    pub send_timeout: Duration,
    /// Longest wait for requests in progress at shutdown.
    #[serde(deserialize_with = "fields::duration::<_, 100, 600_000>")]
    pub shutdown_timeout: Duration,
    /// Time at shutdown for which requests are served as usual while each response closes its connection.
    #[serde(deserialize_with = "fields::duration::<_, 0, 600_000>")]
    pub drain_time: Duration,
    /// Maximum number of concurrent event streams.
    #[serde(deserialize_with = "fields::integer::<_, _, 0, 100_000>")]
    pub max_event_streams: usize,
    /// Size of the event buffer, in bytes.
    #[serde(deserialize_with = "fields::integer::<_, _, 1_048_576, 1_073_741_824>")]
    pub event_buffer_bytes: usize,
    /// Maximum number of bytes of events sent per second, over all event streams.
    #[serde(deserialize_with = "fields::integer::<_, _, 1_048_576, 17_179_869_184>")]
    pub event_bytes_per_second: usize,
    /// Hosts that requests may name in addition to loopback.
    #[serde(deserialize_with = "fields::list::<access::Hosts, _>")]
    pub allowed_hosts: Vec<Host>,
    /// Origins of web pages that may call the API from a browser (CORS).
    #[serde(deserialize_with = "fields::list::<access::Origins, _>")]
    pub cors_origins: Vec<String>,
    /// Rate limit of each client.
    pub rate_limit: RateLimitSettings,
    /// TLS; if `None`, the API serves plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// Settlement, relay, sweeper and syncs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct WorkerSettings {
    /// IP address of the health endpoints.
    #[serde(deserialize_with = "fields::ip_address")]
    pub address: IpAddr,
    /// TCP port of the health endpoints; 0 lets the system choose.
    #[serde(deserialize_with = "fields::integer::<_, _, 0, 65_535>")]
    pub port: u16,
    /// Number of queue consumers in one process.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 64>")]
    pub consumers: usize,
    /// Maximum number of orders settled in one transaction.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 4_096>")]
    pub batch: usize,
    /// Maximum number of outbox entries that the relay publishes at a time.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 4_096>")]
    pub relay_batch: u32,
    /// Interval at which the relay polls the outbox when it gets no notification.
    #[serde(deserialize_with = "fields::duration::<_, 10, 60_000>")]
    pub relay_poll_interval: Duration,
    /// Duration of a relay's claim on outbox entries.
    #[serde(deserialize_with = "fields::duration::<_, 1_000, 600_000>")]
    pub relay_lease: Duration,
    /// Longest delay of a rejection while a configured vendor has never been tried.
    #[serde(deserialize_with = "fields::duration::<_, 0, 3_600_000>")]
    pub first_sync_grace: Duration,
    /// Interval between two sweeps.
    #[serde(deserialize_with = "fields::duration::<_, 100, 3_600_000>")]
    pub sweep_interval: Duration,
    /// Time after which a `PENDING` order is requeued.
    #[serde(deserialize_with = "fields::duration::<_, 100, 86_400_000>")]
    pub pending_timeout: Duration,
    /// Number of ready messages above which nothing is requeued.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 1_000_000_000>")]
    pub max_queue_depth: u64,
    /// Retention of idempotency keys.
    #[serde(deserialize_with = "fields::duration::<_, 86_400_000, 31_536_000_000>")]
    pub idempotency_key_retention: Duration,
    /// Retention of the change log.
    #[serde(deserialize_with = "fields::duration::<_, 60_000, 604_800_000>")]
    pub change_log_retention: Duration,
    /// Number of runs of each vendor that are kept.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 1_000_000>")]
    pub max_runs: u32,
    /// Longest wait for work in progress at shutdown.
    #[serde(deserialize_with = "fields::duration::<_, 100, 600_000>")]
    pub shutdown_timeout: Duration,
}

/// The store of the embedded deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct EmbeddedSettings {
    /// Path of the data file.
    #[serde(deserialize_with = "fields::path")]
    pub path: PathBuf,
    /// Maximum number of concurrent reads.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 64>")]
    pub readers: usize,
    /// Longest wait for the write lock.
    #[serde(deserialize_with = "fields::duration::<_, 10, 300_000>")]
    pub write_timeout: Duration,
}

/// Logging and traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct TelemetrySettings {
    /// Format of log lines.
    #[serde(deserialize_with = "log_format")]
    pub format: LogFormat,
    /// Log filter in the syntax of `RUST_LOG`, which takes precedence.
    #[serde(deserialize_with = "fields::string")]
    pub filter: String,
    /// Traces.
    pub traces: TracesSettings,
}

/// Traces of requests and their orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct TracesSettings {
    /// Base URL of the OpenTelemetry collector; if `None`, no traces are recorded.
    #[serde(default, deserialize_with = "collector_url")]
    pub endpoint: Option<Url>,
    /// Share of requests whose trace is recorded if their caller does not decide it, 0 to 1.
    #[serde(deserialize_with = "fields::ratio")]
    pub sample_ratio: f64,
}

fn collector_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    const EXPECTED: &str =
        "a URL such as http://127.0.0.1:4318, without user, password, query and fragment";
    let text = fields::string(deserializer)?;
    let url = Url::parse(&text).ok().filter(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_base = url.query().is_none() && url.fragment().is_none() && url.has_host();
        matches!(url.scheme(), "http" | "https") && is_plain && is_base
    });
    // Not quoted: it may contain a password.
    let url = url.ok_or_else(|| D::Error::custom(format!("is invalid, expected {EXPECTED}")))?;
    Ok(Some(url))
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable.
    Text,
    /// One JSON object per line.
    Json,
}

fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    fields::one_of(
        deserializer,
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    )
}
