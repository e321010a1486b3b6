//! Stock of the measured service.

use std::sync::Arc;

use anyhow::Result;
use clock_tokio::SystemClock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{Clock as _, GivenFeed, Store, StoreProbe, SyncQueries, VendorSetQueries};
use domain::report::{Report, ReportKind};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::ConfiguredVendor;

use super::choices::PRODUCTS;

/// Id of the vendor whose stock is sold.
pub(super) const VENDOR: &str = "bench";
/// Units per product: more than any run sells.
pub(super) const UNITS: i64 = 2_000_000_000;

/// Adds the vendor with stock of each product.
pub(super) async fn enter<S>(store: Arc<S>) -> Result<()>
where
    S: Store + StoreProbe + SyncQueries + VendorSetQueries + 'static,
{
    let vendor_id = VendorId::parse(VENDOR)?;
    let clock = Arc::new(SystemClock);
    let added = ConfiguredVendor {
        vendor_id: vendor_id.clone(),
        source: None,
    };
    VendorSets::new(store.clone(), store.clone(), clock.clone())
        .add(&[added])
        .await?;
    let lines = (1..=PRODUCTS)
        .map(|number| Ok((ProductId::parse(format!("SKU-{number}"))?, UNITS)))
        .collect::<Result<Vec<_>>>()?;
    let report = Report::parse(ReportKind::Delta, Some(clock.now()), lines)?;
    let sync = VendorSync::new(store.clone(), store.clone(), store, clock);
    sync.sync(&GivenFeed { vendor_id, report }).await?;
    Ok(())
}
