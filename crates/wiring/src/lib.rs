//! Code shared by the binaries: adapters made from settings, and stop signals of a process.
//!
//! PostgreSQL, RabbitMQ and SQLite are behind features with these names, and what only servers need behind `service`, so that
//! a program includes only what it uses.
//!
//! Only binaries depend on this crate. The settings do not depend on adapters, nor adapters on the settings; this crate
//! connects them.

#[cfg(feature = "rabbitmq")]
mod broker;
pub mod build;
#[cfg(feature = "sqlite")]
mod data_file;
#[cfg(feature = "postgres")]
mod database;
mod feed;
pub mod health;
pub mod program;
#[cfg(feature = "service")]
pub mod service_manager;
pub mod sockets;
#[cfg(any(feature = "postgres", feature = "rabbitmq"))]
mod tls;
#[cfg(feature = "service")]
pub mod traces;
pub mod trial;

use std::sync::Arc;

use anyhow::Context as _;
#[cfg(feature = "rabbitmq")]
pub use broker::rabbitmq;
#[cfg(feature = "sqlite")]
pub use data_file::sqlite;
#[cfg(feature = "postgres")]
pub use database::{check_database, postgres};
use domain::ports::{ConfiguredFeed, ConfiguredPushFeed};
use domain::vendor_set::{ConfiguredVendor, VendorSet, VendorSource};
use settings::{LogFormat, Settings, TelemetrySettings, VendorSettings};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;
use vendor_feeds::{Sampler, SourceFeed};

/// A request allocates on one thread and frees on another, which is slow with the system allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prepares the process of a server: starts its logging and raises its limit on open files.
///
/// # Errors
/// If the filter is invalid, or logging has already been started.
pub fn prepare_process(settings: &TelemetrySettings) -> anyhow::Result<()> {
    let format = match settings.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::init(format, &settings.filter)?;
    raise_open_files_limit();
    Ok(())
}

/// Returns the feeds of the configured vendors whose reports are requested.
///
/// # Errors
/// If a setting of a feed is invalid, or an HTTP client cannot be built.
pub fn configured_feeds(settings: &[VendorSettings]) -> anyhow::Result<Vec<ConfiguredFeed>> {
    let mut feeds = Vec::new();
    for vendor in settings {
        feeds.extend(feed::vendor_feed(vendor)?.and_then(|feed| configured(vendor, feed)));
    }
    Ok(feeds)
}

/// Returns the feeds of the configured vendors that push their reports.
///
/// # Errors
/// If a setting of a feed is invalid.
pub fn push_feeds(settings: &[VendorSettings]) -> anyhow::Result<Vec<ConfiguredPushFeed>> {
    let feeds = settings.iter().map(|vendor| {
        let receiver = feed::push_receiver(vendor)?;
        Ok(receiver.map(|receiver| ConfiguredPushFeed {
            feed: Arc::new(receiver),
            url: public_url(vendor).into(),
        }))
    });
    feeds.filter_map(Result::transpose).collect()
}

/// Returns the feed of a configured vendor that keeps a sample of each fetch in `sampler`; `None` if the vendor pushes its
/// reports.
///
/// # Errors
/// Like [`configured_feeds`].
pub fn sampled_feed(
    vendor: &VendorSettings,
    sampler: Sampler,
) -> anyhow::Result<Option<ConfiguredFeed>> {
    let feed = feed::vendor_feed(vendor)?;
    Ok(feed.and_then(|feed| configured(vendor, feed.with_sampler(sampler))))
}

/// `None` if the settings have no interval, which is so only for a vendor that pushes its reports.
fn configured(vendor: &VendorSettings, feed: SourceFeed) -> Option<ConfiguredFeed> {
    Some(ConfiguredFeed {
        feed: Arc::new(feed),
        sync_interval: vendor.sync_interval?,
        url: public_url(vendor).into(),
    })
}

/// Returns the vendor set of the settings.
///
/// # Errors
/// If a vendor's source cannot be stored.
pub fn vendor_set(settings: &Settings) -> anyhow::Result<VendorSet> {
    let with_feeds = settings
        .vendors
        .iter()
        .map(|vendor| Ok((&vendor.id, Some(vendor_source(vendor)?))));
    let manual = settings.manual_vendors.iter().map(|id| Ok((id, None)));
    let vendors = with_feeds.chain(manual).map(|vendor| {
        vendor.map(|(id, source)| ConfiguredVendor {
            vendor_id: id.clone(),
            source,
        })
    });
    vendors.collect()
}

fn vendor_source(vendor: &VendorSettings) -> anyhow::Result<VendorSource> {
    let url = public_url(vendor);
    VendorSource::new(
        url.as_str(),
        vendor.source.url().query(),
        &vendor.part_of_source(),
    )
    .with_context(|| format!("vendor {}: the URL cannot be stored", vendor.id))
}

/// The URL of a vendor without its query, which may contain a secret.
fn public_url(vendor: &VendorSettings) -> Url {
    let mut url = vendor.source.url().clone();
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Raises the soft limit on open files to the hard limit: each connection is an open file, and the soft limit is 1024 on
/// many systems. Returns the new soft limit, `None` if there is no limit.
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
    tracing::debug!(from = ?limit.current, to = ?limit.maximum, "raised the soft limit on open files");
    limit.maximum
}

/// Ignores SIGXFSZ: a write to a file at its size limit (`ulimit -f`) then fails, as on a full disk, and does not end the
/// process. Requires a tokio runtime.
///
/// # Errors
/// If the signal handler cannot be installed.
pub fn ignore_file_size_signal() -> anyhow::Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // tokio never restores the default action, so the handler stays after the listener is dropped.
    let listener = signal(kind).context("cannot install a handler of SIGXFSZ")?;
    drop(listener);
    Ok(())
}

/// Installs handlers of SIGTERM and SIGINT (Ctrl-C). The future completes with the name of the first signal, after the
/// service manager was notified of the shutdown.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut terminate =
        signal(SignalKind::terminate()).context("cannot install a handler of SIGTERM")?;
    let mut interrupt =
        signal(SignalKind::interrupt()).context("cannot install a handler of SIGINT")?;
    Ok(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        #[cfg(feature = "service")]
        service_manager::report_stopping();
        signal
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn soft_limit_on_open_files_is_raised_to_the_hard_limit() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(super::raise_open_files_limit(), hard);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
