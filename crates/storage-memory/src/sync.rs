//! Vendors' reports inside a transaction.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FinishedSync, StoreError, SyncRecord, SyncRepository, VendorSyncState};
use domain::reconciliation::knows_of;
use domain::report::{Report, ReportKind};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;

use crate::tables::{AllocationRow, PositionRow, StockRow, Tables, refused};
use crate::unit_of_work::MemoryUnitOfWork;

/// Whether a report that proves `as_of` is the first to include the shipment of these units.
fn becomes_known(row: &AllocationRow, as_of: Timestamp) -> bool {
    row.known_as_of.is_none()
        && row
            .shipped_at
            .is_some_and(|shipped_at| knows_of(as_of, shipped_at))
}

/// A report of one vendor, and the time.
struct Reported<'r> {
    vendor_id: &'r VendorId,
    report: &'r Report,
    order: ReportOrder,
    proven_as_of: Option<Timestamp>,
    now: Timestamp,
}

impl Reported<'_> {
    /// Whether the position's instants are later than the store's clock.
    fn is_future(&self, row: &PositionRow) -> bool {
        row.as_of.max(row.requested_at.unwrap_or(row.as_of)) > self.now
    }

    fn affected(&self, tables: &Tables) -> BTreeSet<ProductId> {
        match self.report.kind() {
            ReportKind::Full => self.affected_by_full(tables),
            ReportKind::Delta => self.affected_by_delta(tables),
        }
    }

    fn affected_by_full(&self, tables: &Tables) -> BTreeSet<ProductId> {
        let position = |product_id: &ProductId| {
            let key = (product_id.clone(), self.vendor_id.clone());
            tables.positions.get(&key)
        };
        let named = self.report.quantities().iter();
        let named = named.filter(|(product_id, units)| {
            position(product_id).is_none_or(|row| row.reported != **units || self.is_future(row))
        });
        let left_out = tables.positions.iter().filter(|((product_id, of), row)| {
            of == self.vendor_id
                && (row.reported != 0 || self.is_future(row))
                && !self.report.quantities().contains_key(product_id)
        });
        let shipped = tables.allocations.iter().filter(|((_, of), row)| {
            let as_of = self.proven_as_of;
            of == self.vendor_id && as_of.is_some_and(|as_of| becomes_known(row, as_of))
        });
        named
            .map(|(product_id, _)| product_id.clone())
            .chain(left_out.map(|((product_id, _), _)| product_id.clone()))
            .chain(shipped.map(|(_, row)| row.product_id.clone()))
            .collect()
    }

    fn affected_by_delta(&self, tables: &Tables) -> BTreeSet<ProductId> {
        let named = self.report.quantities().keys();
        let fresh = named.filter(|product_id| {
            let key = ((*product_id).clone(), self.vendor_id.clone());
            tables.positions.get(&key).is_none_or(|row| {
                let order = ReportOrder {
                    as_of: row.as_of,
                    requested_at: row.requested_at.unwrap_or(row.as_of),
                };
                order <= self.order || self.is_future(row)
            })
        });
        fresh.cloned().collect()
    }
}

#[async_trait]
impl SyncRepository for MemoryUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let now = self.now();
        let tables = self.tables();
        let vendor = tables.vendors.get(vendor_id);
        let has_stock = || {
            let mut positions = tables.positions.iter();
            positions.any(|((_, of), row)| of == vendor_id && row.reported > 0)
        };
        let has_future_shipments = || {
            let mut allocations = tables.allocations.iter();
            allocations.any(|((_, of), row)| of == vendor_id && is_shipped_after(row, now))
        };
        Ok(vendor
            .filter(|row| row.configured)
            .map(|row| VendorSyncState {
                now,
                history: row.history.clone(),
                has_stock: has_stock(),
                has_future_shipments: has_future_shipments(),
            }))
    }

    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        order: ReportOrder,
        proven_as_of: Option<Timestamp>,
    ) -> Result<Vec<ProductId>, StoreError> {
        let now = self.now();
        let reported = Reported {
            vendor_id,
            report,
            order,
            proven_as_of,
            now,
        };
        self.write(|tables| {
            for product_id in report.quantities().keys() {
                tables.stock.entry(product_id.clone()).or_insert(StockRow {
                    quantity: 0,
                    updated_at: now,
                });
            }
            Ok(reported.affected(tables).into_iter().collect())
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

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            for product_id in product_ids {
                let key = (product_id.clone(), vendor_id.clone());
                if let Some(row) = tables.positions.get_mut(&key) {
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
        let positions = self.tables().positions.iter();
        let found = positions.filter(|((product_id, of), row)| {
            of == vendor_id && row.is_expired == is_expired && Some(product_id) > after.as_ref()
        });
        let found = found.map(|((product_id, _), _)| product_id.clone());
        Ok(found
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect())
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
                .ok_or_else(|| refused(format!("there is no vendor {vendor_id}")))?;
            if let Some(history) = history {
                row.history = history.clone();
            }
            row.last_sync = Some(FinishedSync::new(now, record.clone()));
            Ok(now)
        })
    }
}

/// Whether these units were shipped later than the store's clock, and no report includes that yet.
fn is_shipped_after(row: &AllocationRow, now: Timestamp) -> bool {
    row.known_as_of.is_none() && row.shipped_at.is_some_and(|shipped_at| shipped_at > now)
}
