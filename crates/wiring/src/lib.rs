//! What the binaries share: from settings to adapters, and how a process is told to stop.
//!
//! What belongs to PostgreSQL, to RabbitMQ and to SQLite is behind the features of these names: a program is built with what
//! it runs on.
//!
//! Only binaries depend on this crate. Settings know no adapter and adapters know no settings; this is where they meet.

#[cfg(feature = "rabbitmq")]
mod broker;
#[cfg(feature = "sqlite")]
mod data_file;
#[cfg(feature = "postgres")]
mod database;
pub mod trial;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
#[cfg(feature = "rabbitmq")]
pub use broker::rabbitmq;
use clock_tokio::SystemClock;
#[cfg(feature = "sqlite")]
pub use data_file::sqlite;
#[cfg(feature = "postgres")]
pub use database::{check_database, postgres};
use domain::ports::VendorFeed;
use domain::services::OrderBatcherSettings;
use domain::vendor_set::{ConfiguredVendor, VendorSet, VendorSource};
use settings::{ApiSettings, LogFormat, Settings, TelemetrySettings, VendorSettings};
use tokio::signal::unix::{SignalKind, signal};
use vendor_http::{FeedFormat, HttpVendorFeed, HttpVendorOptions};

/// A request allocates on one thread and frees on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// How many orders the API writes at once, and how many may wait for that.
#[must_use]
pub fn batcher(settings: &ApiSettings) -> OrderBatcherSettings {
    OrderBatcherSettings {
        max_batch: settings.write_batch_size,
        max_waiting: settings.write_queue_size,
    }
}

/// The feeds of the configured vendors, with the interval at which each is to be read.
///
/// # Errors
/// If an HTTP client cannot be built.
pub fn vendor_feeds(
    settings: &[VendorSettings],
) -> anyhow::Result<Vec<(Arc<dyn VendorFeed>, Duration)>> {
    let feeds = settings.iter().map(|vendor| {
        let feed: Arc<dyn VendorFeed> = Arc::new(vendor_feed(vendor)?);
        Ok((feed, vendor.sync_interval))
    });
    feeds.collect()
}

/// The vendors of the settings, as the store identifies them.
///
/// # Errors
/// If a vendor's source cannot be stored.
pub fn vendor_set(settings: &Settings) -> anyhow::Result<VendorSet> {
    let with_feeds = settings.vendors.iter().map(|vendor| {
        Ok(ConfiguredVendor {
            vendor_id: vendor.id.clone(),
            source: Some(vendor_source(vendor)?),
        })
    });
    let manual = settings.manual_vendors.iter().map(|vendor_id| {
        Ok(ConfiguredVendor {
            vendor_id: vendor_id.clone(),
            source: None,
        })
    });
    with_feeds.chain(manual).collect()
}

fn vendor_source(vendor: &VendorSettings) -> anyhow::Result<VendorSource> {
    let mut url = vendor.url.clone();
    url.set_query(None);
    url.set_fragment(None);
    VendorSource::new(url.as_str(), vendor.url.query(), &vendor.format.items)
        .with_context(|| format!("vendor {}: the URL cannot be stored", vendor.id))
}

/// The URL of each of these vendors as far as it may be shown: what stands in its query may be a secret.
#[must_use]
pub fn shown_urls(settings: &[VendorSettings]) -> Vec<String> {
    let urls = settings.iter().map(|vendor| {
        let mut url = vendor.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    });
    urls.collect()
}

fn vendor_feed(settings: &VendorSettings) -> anyhow::Result<HttpVendorFeed> {
    let options = HttpVendorOptions {
        vendor_id: settings.id.clone(),
        url: settings.url.clone(),
        timeout: settings.timeout,
        max_bytes: settings.max_bytes,
        retries: settings.retries,
        kind: settings.kind,
        lag: settings.lag,
        max_age: settings.max_age,
        format: FeedFormat {
            items: settings.format.items.clone(),
            product_id: settings.format.product_id.clone(),
            quantity: settings.format.quantity.clone(),
            as_of: settings.format.as_of.clone(),
        },
    };
    HttpVendorFeed::new(options, Arc::new(SystemClock))
        .with_context(|| format!("vendor {} cannot be read", settings.id))
}

/// Raises the soft limit on open files to the hard one: each connection is an open file, and many systems start programs with
/// a soft limit of 1024. Returns the limit, none if there is none.
pub fn raise_open_files_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current == limit.maximum || setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current;
    }
    tracing::debug!(from = ?limit.current, to = ?limit.maximum, "the soft limit on open files is raised");
    limit.maximum
}

/// A file at the limit of its size (`ulimit -f`) is a write that fails from now on, as on a full disk, and not the end of the
/// process. Needs a tokio runtime.
///
/// # Errors
/// If the signal cannot be listened to.
pub fn survive_file_size_limit() -> anyhow::Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // Once there was a listener, the signal never ends the process again.
    let listener = signal(kind).context("cannot listen to SIGXFSZ")?;
    drop(listener);
    Ok(())
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

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn the_soft_limit_on_open_files_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(super::raise_open_files_limit(), hard);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
