//! `order-aggregator-admin vendor sync`: syncs a vendor once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clock_tokio::SystemClock;
use domain::identifiers::VendorId;
use domain::ports::{FinishedSync, SyncOutcome};
use domain::services::{SyncError, VendorSets, VendorSync};
use progress::Progress;
use settings::{Settings, VendorSettings};

use super::check::find_vendor;
use super::{open_for_writing, vendor_id};
use crate::store::AdminStore;

#[derive(Debug, clap::Args)]
pub(super) struct SyncArgs {
    /// Id of the vendor in the settings.
    #[arg(long, value_name = "ID", value_parser = vendor_id)]
    pub(super) vendor: VendorId,
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    pub(super) data: Option<PathBuf>,
}

/// Runs the command. Fails unless the report is applied to all of its products.
pub(super) fn sync(args: &SyncArgs, settings: &Settings) -> Result<()> {
    let vendor = find_vendor(settings, &args.vendor)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let call = format!("{}/sync", args.vendor);
    let store = open_for_writing(args.data.as_deref(), settings, &runtime, &call)?;
    let finished = runtime.block_on(sync_with(vendor, settings, store))?;
    report(&args.vendor, &finished)
}

async fn sync_with(
    vendor: &VendorSettings,
    settings: &Settings,
    store: Arc<dyn AdminStore>,
) -> Result<FinishedSync> {
    let feeds = wiring::configured_feeds(std::slice::from_ref(vendor))?;
    let configured = feeds
        .first()
        .context("the vendor pushes its reports: there is no source to read one from")?;
    let clock = Arc::new(SystemClock);
    let sets = VendorSets::new(store.clone(), store.clone(), clock.clone());
    sets.check_sources(&wiring::vendor_set(settings)?).await?;
    let sync = VendorSync::new(store.clone(), store.clone(), store, clock)
        .with_intervals([configured.interval()]);
    let _progress = Progress::spinner(format!("syncing vendor {}", vendor.id));
    let synced = sync.sync_on_demand(configured.feed.as_ref()).await;
    synced.map_err(|error| match error {
        SyncError::NotConfigured(_) => anyhow::Error::from(error).context(
            "apply the settings first: start a program with them, or run `order-aggregator-admin vendor apply`",
        ),
        // Its text contains those of its causes.
        error => anyhow::Error::msg(error.to_string()),
    })
}

/// Prints the result of a sync. Fails unless the report was applied to all of its products, now or before.
fn report(vendor_id: &VendorId, finished: &FinishedSync) -> Result<()> {
    let FinishedSync {
        outcome,
        received,
        changed,
        took,
        ..
    } = finished;
    let took = took.as_millis();
    let status = outcome.status();
    println!(
        "vendor {vendor_id}: {status}, {received} lines, {changed} products changed, {took} ms"
    );
    match (&finished.error, outcome) {
        (None, SyncOutcome::Applied | SyncOutcome::NotModified) => Ok(()),
        (reason, _) => {
            let reason = reason.as_deref().unwrap_or("no reason was recorded");
            bail!("the report was not applied, or only in part: {reason}")
        }
    }
}
