//! Stock of the measured service.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    Clock as _, FeedError, FetchedReport, Store, StoreProbe, SyncQueries, VendorFeed,
    VendorSetQueries,
};
use domain::report::{Report, ReportKind};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::ConfiguredVendor;

use super::choices::PRODUCTS;

/// Id of the vendor whose stock is sold.
pub(super) const VENDOR: &str = "bench";
/// Units per product: more than any run sells.
const UNITS: i64 = 2_000_000_000;

/// Adds the vendor with stock of each product.
pub(super) async fn enter(
    store: Arc<dyn Store>,
    sync_queries: Arc<dyn SyncQueries>,
    probe: Arc<dyn StoreProbe>,
    queries: Arc<dyn VendorSetQueries>,
) -> Result<()> {
    let vendor_id = VendorId::parse(VENDOR)?;
    let clock = Arc::new(SystemClock);
    let added = ConfiguredVendor {
        vendor_id: vendor_id.clone(),
        source: None,
    };
    VendorSets::new(store.clone(), queries, clock.clone())
        .add(&[added])
        .await?;
    let lines = (1..=PRODUCTS)
        .map(|number| Ok((ProductId::parse(format!("SKU-{number}"))?, UNITS)))
        .collect::<Result<Vec<_>>>()?;
    let report = Report::parse(ReportKind::Delta, Some(clock.now()), lines)?;
    let sync = VendorSync::new(store, sync_queries, probe, clock);
    sync.sync(&StockFeed { vendor_id, report }).await?;
    Ok(())
}

/// A feed with one report.
#[derive(Debug)]
struct StockFeed {
    vendor_id: VendorId,
    report: Report,
}

#[async_trait]
impl VendorFeed for StockFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        Ok(FetchedReport {
            report: self.report.clone(),
            times: ResponseTimes::default(),
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}
