//! The lines of reports in quarantine.

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{QuarantineRepository, ReportedTotals, StoreError};
use domain::timestamp::Timestamp;

use crate::tables::{Tables, refused};
use crate::unit_of_work::MemoryUnitOfWork;

/// A line is identified by its vendor, the time of its report's request, and its product.
pub(crate) type LineKey = (VendorId, Timestamp, ProductId);

/// Returns the sums of a vendor's stock rows.
pub(crate) fn totals(tables: &Tables, vendor_id: &VendorId) -> ReportedTotals {
    let mut totals = ReportedTotals {
        units: 0,
        products: 0,
    };
    for ((_, of), row) in &tables.vendor_stock {
        if of == vendor_id {
            totals.units += u64::from(row.reported);
            totals.products += u64::from(row.reported > 0);
        }
    }
    totals
}

/// Returns lines of one report, by product id.
pub(crate) fn lines<'t>(
    tables: &'t Tables,
    vendor_id: &'t VendorId,
    requested_at: Timestamp,
) -> impl Iterator<Item = (&'t ProductId, u32)> {
    let lines = tables.quarantined_lines.iter();
    let lines = lines.filter(move |((of, at, _), _)| of == vendor_id && *at == requested_at);
    lines.map(|((_, _, product_id), units)| (product_id, *units))
}

#[async_trait]
impl QuarantineRepository for MemoryUnitOfWork {
    async fn add_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            if !tables.vendors.contains_key(vendor_id) {
                return Err(refused(format!("vendor {vendor_id} does not exist")));
            }
            for (product_id, units) in lines {
                let key = (vendor_id.clone(), requested_at, product_id.clone());
                tables.quarantined_lines.insert(key, *units);
            }
            Ok(())
        })
    }

    async fn count_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
    ) -> Result<u64, StoreError> {
        Ok(lines(self.tables(), vendor_id, requested_at).count() as u64)
    }

    async fn remove_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        kept: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.write(|tables| {
            let keys = tables.quarantined_lines.keys();
            let unused = keys.filter(|(of, at, _)| of == vendor_id && Some(*at) != kept);
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let unused: Vec<LineKey> = unused.take(limit).cloned().collect();
            for key in &unused {
                tables.quarantined_lines.remove(key);
            }
            Ok(unused.len() as u64)
        })
    }
}
