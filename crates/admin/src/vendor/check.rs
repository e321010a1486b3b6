//! `order-aggregator-admin vendor check`: reads a vendor's report once and prints what a sync would do with it. Nothing is
//! written.

mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use domain::identifiers::VendorId;
use domain::ports::{ConfiguredFeed, FeedError, FetchedReport, SyncOutcome};
use domain::services::{CheckedReport, SyncError, VendorCheck};
use domain::timestamp::Timestamp;
use progress::Progress;
use settings::{Settings, VendorSettings};
use vendor_feeds::{Sample, Sampler};

use super::{pause, vendor_id};
use crate::store::{self, Access, AdminStore};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Id of the vendor in the settings.
    #[arg(long, value_name = "ID", value_parser = vendor_id)]
    vendor: VendorId,
    /// Data file of the embedded deployment, which may be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Returns a vendor of the settings that has a feed.
pub(super) fn find_vendor<'s>(
    settings: &'s Settings,
    vendor_id: &VendorId,
) -> Result<&'s VendorSettings> {
    let found = settings.vendors.iter().find(|it| it.id == *vendor_id);
    found.with_context(|| {
        if settings.manual_vendors.contains(vendor_id) {
            return format!(
                "vendor {vendor_id} has no feed: its stock is entered manually (manual_vendors)"
            );
        }
        let mut ids = settings.vendors.iter().map(|vendor| vendor.id.as_str());
        let first = ids.next().unwrap_or("none");
        let known = ids.fold(first.to_owned(), |known, id| known + ", " + id);
        format!("the settings have no vendor {vendor_id} (vendors with a feed: {known}); --config names the file")
    })
}

/// Runs the command. Fails unless the report would be applied.
pub(super) fn check(args: &CheckArgs, settings: &Settings) -> Result<()> {
    let vendor = find_vendor(settings, &args.vendor)?;
    let sampler = Sampler::default();
    let Some(feed) = wiring::sampled_feed(vendor, sampler.clone())? else {
        bail!(
            "vendor {} pushes its reports: there is no source to read one from",
            vendor.id
        );
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Read, settings, &runtime);
    let hint = match args.data {
        Some(_) => "",
        None => " (--data names the data file of the embedded deployment)",
    };
    let checked = check_feed(&feed, vendor.timeout, &sampler, store, hint);
    let (printed, result) = runtime.block_on(checked);
    print!("{printed}");
    result
}

/// Checks a feed against a store, if that could be opened. Returns the lines to print, and the problem if the report would
/// not be applied. `timeout` is the vendor's setting; `hint` follows the error of a store that could not be opened.
async fn check_feed(
    configured: &ConfiguredFeed,
    timeout: Duration,
    sampler: &Sampler,
    store: Result<Arc<dyn AdminStore>>,
    hint: &str,
) -> (String, Result<()>) {
    let vendor_id = configured.feed.vendor_id();
    let begun = match begin(store, vendor_id).await {
        Ok(begun) => Ok(begun),
        Err(StoreProblem::Paused(error)) => return (String::new(), Err(error.into())),
        Err(StoreProblem::Unusable(error)) => Err(error),
    };
    let delays = begun
        .as_ref()
        .map_or(&[][..], |begun| begun.delays.as_slice());
    let progress = Progress::spinner(format!("reading the report of vendor {vendor_id}"));
    let started = Instant::now();
    let fetched = configured.feed.fetch().await;
    let timed_out = started.elapsed() >= timeout;
    drop(progress);
    let sample = sampler.sample();
    let mut printed = text::source(configured, delays, &sample, fetched.is_ok());
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(error) => {
            let (error, _) = error.split_file_time();
            return (printed, Err(refused(vendor_id, &error, timed_out, &sample)));
        }
    };
    let checked = compare(configured, &fetched, begun).await;
    printed += &match &checked {
        Ok(checked) => text::comparison(checked, configured.feed.lag()),
        Err(error) => text::skipped(error),
    };
    let result = checked
        .with_context(|| {
            format!("the report is valid, but it was not compared with the store{hint}")
        })
        .and_then(|checked| verdict(&checked));
    (printed, result)
}

/// Why a report is not compared with the store.
enum StoreProblem {
    /// The vendor must not be requested yet.
    Paused(SyncError),
    /// The store cannot be used.
    Unusable(anyhow::Error),
}

/// The check against a store, and the time of the request by its clock.
struct Begun {
    check: VendorCheck,
    requested_at: Timestamp,
    /// Lines about the delays of the scheduled syncs of the vendor.
    delays: Vec<String>,
}

async fn begin(
    store: Result<Arc<dyn AdminStore>>,
    vendor_id: &VendorId,
) -> Result<Begun, StoreProblem> {
    let store = store.map_err(StoreProblem::Unusable)?;
    let pauses = store.find_pauses(std::slice::from_ref(vendor_id)).await;
    let pauses = pauses.map_err(|error| StoreProblem::Unusable(error.into()))?;
    let check = VendorCheck::new(store.clone(), store.clone(), store.clone(), store);
    match check.request_time(vendor_id).await {
        Ok(requested_at) => Ok(Begun {
            check,
            requested_at,
            delays: pauses.iter().flat_map(pause::delays).collect(),
        }),
        Err(error @ SyncError::Paused { .. }) => Err(StoreProblem::Paused(error)),
        Err(error) => Err(StoreProblem::Unusable(error.into())),
    }
}

async fn compare(
    configured: &ConfiguredFeed,
    fetched: &FetchedReport,
    begun: Result<Begun>,
) -> Result<CheckedReport> {
    let Begun {
        check,
        requested_at,
        ..
    } = begun?;
    let _progress = Progress::spinner("comparing the report with the store");
    let feed = configured.feed.as_ref();
    Ok(check.check(feed, fetched, requested_at).await?)
}

/// The error of a report that was not received, or is refused. `timed_out` is whether the vendor's setting `timeout` elapsed.
fn refused(
    vendor_id: &VendorId,
    error: &FeedError,
    timed_out: bool,
    sample: &Sample,
) -> anyhow::Error {
    match error {
        FeedError::Malformed(_) if sample.refused.count() > 0 => anyhow!(
            "the report would be refused: the fields and rules of vendor {vendor_id} do not cover {} of {} records",
            sample.refused.count(),
            sample.records
        ),
        FeedError::Malformed(problem) => anyhow!("the report would be refused: {problem}"),
        FeedError::RetryLater { .. } => anyhow!(
            "{error}: repeat the check after that time; syncs of vendor {vendor_id} would wait too"
        ),
        FeedError::NotReady(_) => anyhow!("{error}: repeat the check later"),
        FeedError::Unavailable(_) | FeedError::OfFile { .. } if timed_out => anyhow!(
            "no report was received: {error}; the settings are timeout and retries of vendor {vendor_id}"
        ),
        FeedError::Unavailable(_) | FeedError::OfFile { .. } => {
            anyhow!("no report was received: {error}")
        }
    }
}

/// Fails unless a sync would apply the report.
fn verdict(checked: &CheckedReport) -> Result<()> {
    let reason = checked.reason.as_deref().unwrap_or_default();
    match checked.outcome {
        SyncOutcome::Applied => Ok(()),
        SyncOutcome::Quarantined => bail!("the report would be quarantined: {reason}"),
        SyncOutcome::Stale => bail!("the report would not be applied: {reason}"),
        outcome => bail!(
            "the report would not be applied ({}): {reason}",
            outcome.status()
        ),
    }
}

#[cfg(test)]
mod tests;
