//! `cargo xtask seed`: enters a catalogue as the stock of a vendor that is kept by hand.
//!
//! The stock goes in through the use case that applies vendors' reports, so that it obeys the same rules as any other:
//! what was sold of it is not brought back. It goes in as deltas of bounded size: what an earlier, larger seed entered
//! beyond it stays.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clock_tokio::SystemClock;
use domain::identifiers::VendorId;
use domain::ports::{Store, StoreProbe, SyncQueries, VendorSetQueries};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::ConfiguredVendor;
use settings::Settings;
use storage_postgres::PgStore;

use crate::catalogue::{Catalogue, CatalogueFeed};
use crate::connection;
use crate::data_file;
use crate::endpoints;
use crate::progress::Progress;

const VENDOR: &str = "seed";

/// Products in one report: a few seconds at most, and far below the statement timeout.
const PART: usize = 10_000;

/// What to enter.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many products, SKU-1 onwards.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    products: u32,
    /// Where the quantities come from: the same seed gives the same quantities.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Enter it into this data file of the embedded deployment, which must not be running; without it, into the database
    /// of the settings.
    #[arg(long, value_name = "FILE", value_parser = data_file::path)]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let vendor_id = settings
        .manual_vendors
        .iter()
        .find(|vendor_id| vendor_id.as_str() == VENDOR)
        .with_context(|| {
            format!("manual_vendors does not hold \"{VENDOR}\": add it to enter stock")
        })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let changed = if let Some(path) = &args.data {
        let store = Arc::new(data_file::open(path, &settings.embedded)?);
        let sets = vendor_sets(store.clone(), store.clone());
        runtime.block_on(enter(
            args,
            vendor_id,
            sets,
            store.clone(),
            store.clone(),
            store,
        ))?
    } else {
        let options = connection::pg_options(&settings.database);
        runtime.block_on(async {
            let store = Arc::new(PgStore::new(&options)?);
            let sets = vendor_sets(store.clone(), store.clone());
            enter(args, vendor_id, sets, store.clone(), store.clone(), store).await
        })?
    };
    println!(
        "{} products of vendor {VENDOR} are entered, {changed} of them changed",
        args.products
    );
    println!(
        "order one of them:  {}",
        endpoints::api(settings).order_command("SKU-1")
    );
    Ok(())
}

fn vendor_sets(store: Arc<dyn Store>, queries: Arc<dyn VendorSetQueries>) -> VendorSets {
    VendorSets::new(store, queries, Arc::new(SystemClock))
}

/// Enters the catalogue part by part. Returns how many products changed.
async fn enter(
    args: &Args,
    vendor_id: &VendorId,
    vendor_sets: VendorSets,
    store: Arc<dyn Store>,
    queries: Arc<dyn SyncQueries>,
    probe: Arc<dyn StoreProbe>,
) -> Result<u64> {
    let sync = VendorSync::new(store, queries, probe, Arc::new(SystemClock));
    // Only added: the settings of this shell may not be those of the deployment.
    let vendor = ConfiguredVendor {
        vendor_id: vendor_id.clone(),
        source: None,
    };
    vendor_sets.add(&[vendor]).await?;
    let mut catalogue = Catalogue::new(args.products, args.seed);
    let mut progress = Progress::bar("entering stock", args.products.into());
    let (mut entered, mut changed) = (0, 0);
    loop {
        let lines = catalogue.take(PART)?;
        if lines.is_empty() {
            return Ok(changed);
        }
        let feed = CatalogueFeed::new(vendor_id.clone(), lines)?;
        let done = sync.sync(&feed).await?;
        entered += done.received;
        changed += done.changed;
        progress.at(entered);
    }
}
