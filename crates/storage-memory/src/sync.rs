//! Vendors' reports inside a transaction.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FinishedSync, StoreError, SyncRecord, SyncRepository, VendorSyncState};
use domain::reconciliation::knows_of;
use domain::report::Report;
use domain::timestamp::Timestamp;

use crate::tables::{AllocationRow, StockRow, Tables, refused};
use crate::unit_of_work::MemoryUnitOfWork;

/// Whether a report that is true as of `as_of` is the first to know that these units were shipped.
fn becomes_known(row: &AllocationRow, as_of: Timestamp) -> bool {
    row.known_as_of.is_none()
        && row
            .shipped_at
            .is_some_and(|shipped_at| knows_of(as_of, shipped_at))
}

fn affected(
    tables: &Tables,
    vendor_id: &VendorId,
    report: &Report,
    as_of: Timestamp,
) -> BTreeSet<ProductId> {
    let other_quantity = report.quantities().iter().filter(|(product_id, units)| {
        let position = ((*product_id).clone(), vendor_id.clone());
        tables.positions.get(&position).map(|row| row.reported) != Some(**units)
    });
    let left_out = tables.positions.iter().filter(|((product_id, of), row)| {
        of == vendor_id && row.reported != 0 && report.quantity_of(product_id) == Some(0)
    });
    let shipped = tables.allocations.iter().filter(|((_, of), row)| {
        of == vendor_id
            && becomes_known(row, as_of)
            && report.quantity_of(&row.product_id).is_some()
    });
    other_quantity
        .map(|(product_id, _)| product_id.clone())
        .chain(left_out.map(|((product_id, _), _)| product_id.clone()))
        .chain(shipped.map(|(_, row)| row.product_id.clone()))
        .collect()
}

#[async_trait]
impl SyncRepository for MemoryUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let vendor = self.tables().vendors.get(vendor_id);
        Ok(vendor
            .filter(|row| row.configured)
            .map(|row| VendorSyncState {
                last_as_of: row.applied_as_of,
            }))
    }

    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        as_of: Timestamp,
    ) -> Result<Vec<ProductId>, StoreError> {
        let now = self.now();
        self.write(|tables| {
            for product_id in report.quantities().keys() {
                tables.stock.entry(product_id.clone()).or_insert(StockRow {
                    quantity: 0,
                    updated_at: now,
                });
            }
            Ok(affected(tables, vendor_id, report, as_of)
                .into_iter()
                .collect())
        })
    }

    async fn mark_known(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        self.write(|tables| {
            let mut known = BTreeMap::new();
            for ((_, of), row) in &mut tables.allocations {
                let asked = of == vendor_id && product_ids.contains(&row.product_id);
                if asked && becomes_known(row, as_of) {
                    row.known_as_of = Some(as_of);
                    *known.entry(row.product_id.clone()).or_default() +=
                        u64::from(row.quantity.units());
                }
            }
            Ok(known)
        })
    }

    async fn record_sync(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
    ) -> Result<Timestamp, StoreError> {
        let now = self.now();
        self.write(|tables| {
            let row = tables
                .vendors
                .get_mut(vendor_id)
                .ok_or_else(|| refused(format!("there is no vendor {vendor_id}")))?;
            row.applied_as_of = record.as_of.or(row.applied_as_of);
            row.full_as_of = record.as_of.filter(|_| record.full).or(row.full_as_of);
            row.last_sync = Some(FinishedSync::new(now, record.clone()));
            Ok(now)
        })
    }
}
