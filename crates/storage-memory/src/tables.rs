//! The tables, row by row, and the equivalent of a database's constraints.

use std::collections::BTreeMap;

use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::{Allocation, Order, OrderState, OrderStatus, RejectReason};
use domain::pacing::VendorPause;
use domain::ports::{
    Changed, FinishedSync, OperatorPause, OutboxId, QueuedOrder, Run, StoreError, SyncOutcome,
};
use domain::quantity::Quantity;
use domain::report_history::ReportHistory;
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;
use domain::vendor_set::{VendorSetDigest, VendorSource};

use crate::quarantine::LineKey;

/// All tables.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) stock: BTreeMap<ProductId, StockRow>,
    pub(crate) vendor_stock: BTreeMap<(ProductId, VendorId), VendorStockRow>,
    pub(crate) orders: BTreeMap<OrderId, OrderRow>,
    pub(crate) allocations: BTreeMap<(OrderId, VendorId), AllocationRow>,
    pub(crate) vendors: BTreeMap<VendorId, VendorRow>,
    /// Digests of the applied vendor sets, each once; the last is the current one.
    pub(crate) vendor_sets: Vec<VendorSetDigest>,
    pub(crate) outbox: BTreeMap<OutboxId, OutboxRow>,
    pub(crate) keys: BTreeMap<IdempotencyKey, KeyRow>,
    pub(crate) dead_letters: BTreeMap<OrderId, DeadLetterRow>,
    pub(crate) quarantined_lines: BTreeMap<LineKey, u32>,
    pub(crate) changes: BTreeMap<u64, ChangeRow>,
    /// Number of the last entry of the change log, even if the entry was pruned.
    pub(crate) last_change: u64,
    /// Number of the last run, even if the run was pruned.
    pub(crate) last_run: i64,
}

#[derive(Clone)]
pub(crate) struct StockRow {
    pub(crate) quantity: u64,
    pub(crate) updated_at: Timestamp,
}

#[derive(Clone)]
pub(crate) struct VendorStockRow {
    pub(crate) reported: u32,
    pub(crate) in_flight: u32,
    pub(crate) as_of: Timestamp,
    /// Time of the request whose delta report last contained the row.
    pub(crate) requested_at: Option<Timestamp>,
    pub(crate) is_expired: bool,
}

#[derive(Clone)]
pub(crate) struct OrderRow {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: Quantity,
    pub(crate) status: OrderStatus,
    pub(crate) reason: Option<RejectReason>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) requeues: u32,
    pub(crate) requeued_at: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct AllocationRow {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: Quantity,
    pub(crate) shipped_at: Option<Timestamp>,
    /// As-of of the first report that includes the shipment; the units are in flight while it is `None`.
    pub(crate) known_as_of: Option<Timestamp>,
}

#[derive(Clone, Default)]
pub(crate) struct VendorRow {
    pub(crate) configured: bool,
    pub(crate) source: Option<VendorSource>,
    pub(crate) configured_at: Option<Timestamp>,
    pub(crate) history: ReportHistory,
    pub(crate) last_sync: Option<FinishedSync>,
    /// `None` if the last sync did not fail.
    pub(crate) pause: Option<VendorPause>,
    /// `None` if no operator has paused the vendor.
    pub(crate) operator_pause: Option<OperatorPause>,
    /// The runs, oldest first.
    pub(crate) runs: Vec<Run>,
}

impl VendorRow {
    /// Whether the vendor was tried since it was configured. A report that was not ready does not count.
    pub(crate) fn was_tried(&self) -> bool {
        let last = self.last_sync.as_ref();
        last.is_some_and(|last| last.outcome != SyncOutcome::NotReady)
    }
}

#[derive(Clone)]
pub(crate) struct OutboxRow {
    pub(crate) orders: Vec<QueuedOrder>,
    pub(crate) created_at: Timestamp,
    pub(crate) claimed_until: Option<Timestamp>,
    pub(crate) not_before: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct KeyRow {
    pub(crate) order_id: OrderId,
    /// Digest of the batch, if the key belongs to a batch.
    pub(crate) batch: Option<BatchDigest>,
    pub(crate) created_at: Timestamp,
}

#[derive(Clone)]
pub(crate) struct DeadLetterRow {
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Clone)]
pub(crate) struct ChangeRow {
    pub(crate) changed: Changed,
    pub(crate) created_at: Timestamp,
}

/// Returns the error of a constraint violation or of any other failure that a retry does not cure.
pub(crate) fn refused(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

impl Tables {
    /// Returns an order as its domain type.
    pub(crate) fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let Some(row) = self.orders.get(&id) else {
            return Ok(None);
        };
        let allocations = self.allocations_of(id);
        let state = match row.status {
            OrderStatus::Pending => OrderState::Pending,
            OrderStatus::Confirmed => OrderState::Confirmed(allocations),
            OrderStatus::Rejected => {
                OrderState::Rejected(row.reason.ok_or_else(|| StoreError::Corrupt {
                    table: "orders",
                    column: "reason",
                    row: id.to_string(),
                })?)
            }
            OrderStatus::Cancelled => OrderState::Cancelled,
            OrderStatus::Shipped => OrderState::Shipped(allocations),
            OrderStatus::Delivered => OrderState::Delivered(allocations),
        };
        Ok(Some(Order {
            id,
            product_id: row.product_id.clone(),
            quantity: row.quantity,
            state,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }))
    }

    /// Returns the allocations of an order, by vendor.
    pub(crate) fn allocations_of(&self, id: OrderId) -> Vec<Allocation> {
        self.allocations
            .iter()
            .filter(|((order_id, _), _)| *order_id == id)
            .map(|((_, vendor_id), row)| Allocation {
                vendor_id: vendor_id.clone(),
                quantity: row.quantity,
                shipped: row.shipped_at.is_some(),
            })
            .collect()
    }

    /// Returns a product with the stock of all its vendors.
    pub(crate) fn product_stock(&self, product_id: &ProductId) -> ProductStock {
        let vendors = self
            .vendor_stock_of(product_id)
            .map(|(vendor_id, row)| VendorStock {
                vendor_id: vendor_id.clone(),
                reported: row.reported,
                in_flight: row.in_flight,
                as_of: row.as_of,
                configured: self.is_configured(vendor_id),
                is_expired: row.is_expired,
            })
            .collect();
        ProductStock {
            product_id: product_id.clone(),
            vendors,
        }
    }

    /// Returns the vendors' stock rows of a product, by vendor.
    pub(crate) fn vendor_stock_of<'a>(
        &'a self,
        product_id: &'a ProductId,
    ) -> impl Iterator<Item = (&'a VendorId, &'a VendorStockRow)> {
        self.vendor_stock
            .iter()
            .filter(move |((of, _), _)| of == product_id)
            .map(|((_, vendor_id), row)| (vendor_id, row))
    }

    pub(crate) fn is_configured(&self, vendor_id: &VendorId) -> bool {
        self.vendors
            .get(vendor_id)
            .is_some_and(|vendor| vendor.configured)
    }
}
