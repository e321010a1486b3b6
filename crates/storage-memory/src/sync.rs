//! The state with which reports are compared, and applying reports inside a transaction.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    FinishedSync, LockedVendor, ReportedTotals, Run, RunId, StoreError, SyncQueries, SyncRecord,
    SyncRepository, VendorSyncState,
};
use domain::reconciliation::includes_shipment;
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;

use crate::quarantine;
use crate::store::MemoryStore;
use crate::tables::{AllocationRow, StockRow, Tables, VendorStockRow, refused};
use crate::unit_of_work::MemoryUnitOfWork;

/// Returns whether a report that proves `as_of` is the first to include the shipment of these units.
fn becomes_included(row: &AllocationRow, as_of: Timestamp) -> bool {
    row.known_as_of.is_none()
        && row
            .shipped_at
            .is_some_and(|shipped_at| includes_shipment(as_of, shipped_at))
}

/// Converts a vendor's stock row to the value that reports are compared with.
fn reported(
    tables: &Tables,
    vendor_id: &VendorId,
    product_id: &ProductId,
    row: &VendorStockRow,
) -> ReportedStock {
    let shipments = tables
        .allocations
        .iter()
        .filter_map(|((_, of), allocation)| {
            let is_of_row = of == vendor_id && allocation.product_id == *product_id;
            let is_open = is_of_row && allocation.known_as_of.is_none();
            allocation.shipped_at.filter(|_| is_open)
        });
    ReportedStock {
        product_id: product_id.clone(),
        reported: row.reported,
        as_of: row.as_of,
        requested_at: row.requested_at,
        oldest_shipment: shipments.min(),
    }
}

#[async_trait]
impl SyncQueries for MemoryStore {
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let now = self.shared().clock.now();
        let tables = self.committed();
        let vendor = tables.vendors.get(vendor_id);
        let has_stock = || {
            let mut rows = tables.vendor_stock.iter();
            rows.any(|((_, of), row)| of == vendor_id && row.reported > 0)
        };
        let has_future_shipments = || {
            let mut allocations = tables.allocations.iter();
            allocations.any(|((_, of), row)| of == vendor_id && is_shipped_after(row, now))
        };
        let has_unmarked_shipments = |history: &ReportHistory| {
            let proven = history.proof.and_then(Result::ok);
            let mut allocations = tables.allocations.iter();
            proven.is_some_and(|proven| {
                allocations
                    .any(|((_, of), row)| of == vendor_id && becomes_included(row, proven.as_of))
            })
        };
        let has_lines = || {
            let mut lines = tables.quarantined_lines.keys();
            lines.any(|(of, ..)| of == vendor_id)
        };
        Ok(vendor
            .filter(|row| row.configured)
            .map(|row| VendorSyncState {
                now,
                history: row.history.clone(),
                configured_at: row.configured_at,
                has_stock: has_stock(),
                has_future_shipments: has_future_shipments(),
                has_unmarked_shipments: has_unmarked_shipments(&row.history),
                has_quarantined_lines: has_lines(),
            }))
    }

    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        let tables = self.committed();
        let rows = tables.vendor_stock.iter().filter(|((product_id, of), _)| {
            of == vendor_id && after.as_ref().is_none_or(|after| product_id > after)
        });
        let rows = rows.take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows
            .map(|((product_id, _), row)| reported(&tables, vendor_id, product_id, row))
            .collect())
    }

    async fn sum_reported_stock(&self, vendor_id: &VendorId) -> Result<ReportedTotals, StoreError> {
        Ok(quarantine::totals(&self.committed(), vendor_id))
    }

    async fn list_quarantined_lines(
        &self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<(ProductId, u32)>, StoreError> {
        let tables = self.committed();
        let lines = quarantine::lines(&tables, vendor_id, requested_at);
        let lines = lines.filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
        let lines = lines.take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(lines.map(|(id, units)| (id.clone(), units)).collect())
    }
}

#[async_trait]
impl SyncRepository for MemoryUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        let vendor = self.tables().vendors.get(vendor_id);
        let configured = vendor.filter(|row| row.configured);
        Ok(configured.map(|row| LockedVendor {
            history: row.history.clone(),
            configured_at: row.configured_at,
        }))
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        let tables = self.tables();
        let requested: BTreeSet<&ProductId> = product_ids.iter().collect();
        let found = requested.into_iter().filter_map(|product_id| {
            let key = (product_id.clone(), vendor_id.clone());
            let row = tables.vendor_stock.get(&key)?;
            Some(reported(tables, vendor_id, product_id, row))
        });
        Ok(found.collect())
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        let now = self.now();
        self.write(|tables| {
            for product_id in product_ids {
                let row = tables.stock.entry(product_id.clone());
                row.or_insert(StockRow {
                    quantity: 0,
                    updated_at: now,
                });
            }
            Ok(())
        })
    }

    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        self.write(|tables| {
            let mut included = BTreeMap::new();
            for ((_, of), row) in &mut tables.allocations {
                let requested = of == vendor_id && product_ids.contains(&row.product_id);
                if requested && becomes_included(row, as_of) {
                    row.known_as_of = Some(as_of);
                    *included.entry(row.product_id.clone()).or_default() +=
                        u64::from(row.quantity.units());
                }
            }
            Ok(included)
        })
    }

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            for product_id in product_ids {
                let key = (product_id.clone(), vendor_id.clone());
                if let Some(row) = tables.vendor_stock.get_mut(&key) {
                    row.as_of = order.as_of;
                    row.requested_at = Some(order.requested_at);
                }
            }
            Ok(())
        })
    }

    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        let now = self.now();
        self.write(|tables| {
            let mut repaired = 0;
            for ((_, of), row) in &mut tables.allocations {
                if of == vendor_id && is_shipped_after(row, now) {
                    row.shipped_at = Some(now);
                    repaired += 1;
                }
            }
            Ok(repaired)
        })
    }

    async fn find_by_expiry(
        &mut self,
        vendor_id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        let rows = self.tables().vendor_stock.iter();
        let found = rows.filter(|((product_id, of), row)| {
            of == vendor_id && row.is_expired == is_expired && Some(product_id) > after.as_ref()
        });
        let found = found.map(|((product_id, _), _)| product_id.clone());
        Ok(found
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect())
    }

    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            let row = tables.vendors.get_mut(vendor_id);
            let row = row.ok_or_else(|| refused(format!("vendor {vendor_id} does not exist")))?;
            row.history = history.clone();
            Ok(())
        })
    }

    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError> {
        let now = self.now();
        self.write(|tables| {
            let row = tables
                .vendors
                .get_mut(vendor_id)
                .ok_or_else(|| refused(format!("vendor {vendor_id} does not exist")))?;
            if let Some(history) = history {
                row.history = history.clone();
            }
            let finished = FinishedSync::new(now, record.clone());
            tables.last_run += 1;
            row.runs.push(Run {
                id: RunId(tables.last_run),
                started_at: now.minus(finished.took),
                finished_at: now,
                outcome: record.outcome,
                details: record.details.clone(),
                error: record.error.clone(),
            });
            row.last_sync = Some(finished);
            Ok(now)
        })
    }
}

/// Returns whether these units were shipped after `now` and no report includes the shipment.
fn is_shipped_after(row: &AllocationRow, now: Timestamp) -> bool {
    row.known_as_of.is_none() && row.shipped_at.is_some_and(|shipped_at| shipped_at > now)
}
