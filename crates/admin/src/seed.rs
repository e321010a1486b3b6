//! `order-aggregator-admin seed`: adds a catalogue as the stock of a manual vendor.
//!
//! The stock is applied through the use case for vendor reports, so the same rules hold: sold units do not return. It is
//! applied as deltas of bounded size, so products from an earlier, larger seed are kept.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clock_tokio::SystemClock;
use domain::identifiers::VendorId;
use domain::ports::{Clock as _, GivenFeed};
use domain::report::{Report, ReportKind};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::ConfiguredVendor;
use progress::Progress;
use settings::Settings;
use wiring::trial::RunningApi;

use crate::catalogue::Catalogue;
use crate::store::{self, Access, AdminStore};

const VENDOR: &str = "seed";

/// Products per report, which takes a few seconds at most, far below the statement timeout.
const REPORT_SIZE: usize = 10_000;

/// Arguments of `seed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of products, from SKU-1.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    products: u32,
    /// Random seed of the quantities.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let vendor_id = settings
        .manual_vendors
        .iter()
        .find(|vendor_id| vendor_id.as_str() == VENDOR)
        .with_context(|| {
            format!("the setting manual_vendors does not contain \"{VENDOR}\": add it")
        })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Create, settings, &runtime)?;
    let changed = runtime.block_on(add_stock(args, vendor_id, store))?;
    println!(
        "added {} products of vendor {VENDOR}, {changed} changed",
        args.products
    );
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    let api = RunningApi::new(settings, address);
    println!("To order one:  {}", api.order_command("SKU-1"));
    Ok(())
}

/// Applies the catalogue in parts. Returns the number of changed products.
async fn add_stock(args: &Args, vendor_id: &VendorId, store: Arc<dyn AdminStore>) -> Result<u64> {
    let clock = Arc::new(SystemClock);
    let vendor_sets = VendorSets::new(store.clone(), store.clone(), clock.clone());
    let sync = VendorSync::new(store.clone(), store.clone(), store, clock);
    // Only add the vendor: the settings here may differ from those of the deployment.
    let vendor = ConfiguredVendor {
        vendor_id: vendor_id.clone(),
        source: None,
    };
    vendor_sets.add(&[vendor]).await?;
    let mut catalogue = Catalogue::new(args.products, args.seed);
    let mut progress = Progress::bar("adding stock", args.products.into());
    let (mut added, mut changed) = (0, 0);
    loop {
        let lines = catalogue.take(REPORT_SIZE)?;
        if lines.is_empty() {
            return Ok(changed);
        }
        // A delta does not affect the products of other parts.
        let report = Report::parse(ReportKind::Delta, Some(SystemClock.now()), lines)?;
        let vendor_id = vendor_id.clone();
        let done = sync.sync(&GivenFeed { vendor_id, report }).await?;
        added += done.received;
        changed += done.changed;
        progress.set_position(added);
    }
}
