//! `cargo xtask seed`: enters a catalogue as the stock of a vendor that is kept by hand.
//!
//! The stock goes in through the use case that applies vendors' reports, so that it obeys the same rules as any other:
//! what was sold of it is not brought back. It goes in as deltas of bounded size: what an earlier, larger seed entered
//! beyond it stays.

use std::sync::Arc;

use anyhow::{Context, Result};
use clock_tokio::SystemClock;
use domain::services::VendorSync;
use settings::Settings;
use storage_postgres::PgStore;

use crate::catalogue::{Catalogue, CatalogueFeed};
use crate::connection;
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
    let options = connection::pg_options(&settings.database);
    let changed = tokio::runtime::Runtime::new()?.block_on(async {
        let store = Arc::new(PgStore::new(&options)?);
        let sync = VendorSync::new(store.clone(), store, Arc::new(SystemClock));
        sync.configure(&settings.vendor_ids()).await?;
        let mut catalogue = Catalogue::new(args.products, args.seed);
        let mut progress = Progress::bar("entering stock", args.products.into());
        let (mut entered, mut changed) = (0, 0);
        loop {
            let lines = catalogue.take(PART)?;
            if lines.is_empty() {
                break;
            }
            let done = sync
                .sync(&CatalogueFeed::new(vendor_id.clone(), lines)?)
                .await?;
            entered += done.received;
            changed += done.changed;
            progress.at(entered);
        }
        Ok::<_, anyhow::Error>(changed)
    })?;
    println!(
        "{} products of vendor {VENDOR} are entered, {changed} of them changed",
        args.products
    );
    println!(
        "order one of them:  {}",
        endpoints::example_order(&endpoints::api_url(settings))
    );
    Ok(())
}
