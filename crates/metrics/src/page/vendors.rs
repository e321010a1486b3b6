//! The age of the vendors' stock, and their reports in quarantine, as the store records them.

use std::sync::Arc;

use domain::identifiers::VendorId;
use domain::ports::{VendorQueries, VendorStatus};
use prometheus::{GaugeVec, Opts, Registry};
use readiness::Cached;

use super::{IN_FLIGHT_INTERVAL, read_store};
use crate::InvalidMetric;

/// Reads the status of the vendors, which counts their stock rows, and caches it like the units in flight.
pub(super) struct VendorReader {
    queries: Arc<dyn VendorQueries>,
    vendor_ids: Vec<VendorId>,
    last: Cached<Option<Vec<VendorStatus>>>,
}

impl VendorReader {
    pub(super) fn new(queries: Arc<dyn VendorQueries>, vendor_ids: Vec<VendorId>) -> Self {
        Self {
            queries,
            vendor_ids,
            last: Cached::new(IN_FLIGHT_INTERVAL),
        }
    }

    /// Returns the status of the vendors; `None` if the last read failed.
    pub(super) async fn read(&self) -> Option<Vec<VendorStatus>> {
        let read = read_store("the vendors", self.queries.find_vendors(&self.vendor_ids));
        self.last.get(read).await
    }
}

pub(super) fn register(registry: &Registry, vendors: &[VendorStatus]) -> Result<(), InvalidMetric> {
    let gauges = |name: &str, help: &str| -> Result<GaugeVec, InvalidMetric> {
        let gauges = GaugeVec::new(Opts::new(name, help), &["vendor_id"])?;
        registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    };
    let ages = gauges(
        "aggregator_vendor_report_age_seconds",
        "Age of the as-of that the vendor's last applied report proves, without a value if it proves none; the same for all processes of a deployment.",
    )?;
    let quarantined = gauges(
        "aggregator_vendor_quarantined",
        "Whether a report of the vendor is in quarantine: 1 if one is, otherwise 0; the same for all processes of a deployment.",
    )?;
    for vendor in vendors {
        let labels = [vendor.vendor_id.as_str()];
        if let Some(age) = vendor.age {
            ages.with_label_values(&labels).set(age.as_secs_f64());
        }
        let is_quarantined = u8::from(vendor.quarantined.is_some());
        quarantined
            .with_label_values(&labels)
            .set(f64::from(is_quarantined));
    }
    Ok(())
}
