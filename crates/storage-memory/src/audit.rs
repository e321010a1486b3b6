//! Recomputing every balance from orders and allocations.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::OrderStatus;
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules};

use crate::store::MemoryStore;
use crate::tables::Tables;

/// Most findings of one rule.
const MOST: usize = 1_000;

fn quantities(tables: &Tables) -> Vec<AuditFinding> {
    let differing = tables.stock.iter().filter_map(|(product_id, row)| {
        let sum = tables.product_stock(product_id).quantity();
        (row.quantity != sum).then(|| AuditFinding {
            rule: audit_rules::QUANTITY,
            row: product_id.to_string(),
            detail: format!("quantity is {}, the sum is {sum}", row.quantity),
        })
    });
    differing.take(MOST).collect()
}

fn in_flight(tables: &Tables) -> Vec<AuditFinding> {
    let mut sums: BTreeMap<(&ProductId, &VendorId), u64> = BTreeMap::new();
    for ((_, vendor_id), row) in &tables.allocations {
        if row.known_as_of.is_none() {
            *sums.entry((&row.product_id, vendor_id)).or_default() +=
                u64::from(row.quantity.units());
        }
    }
    let differing = tables
        .positions
        .iter()
        .filter_map(|((product_id, vendor_id), row)| {
            let sum = sums.get(&(product_id, vendor_id)).copied().unwrap_or(0);
            (u64::from(row.in_flight) != sum).then(|| AuditFinding {
                rule: audit_rules::IN_FLIGHT,
                row: format!("{product_id} of {vendor_id}"),
                detail: format!("in_flight is {}, the sum is {sum}", row.in_flight),
            })
        });
    differing.take(MOST).collect()
}

fn is_allocated(status: OrderStatus) -> bool {
    matches!(
        status,
        OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered
    )
}

fn allocated(tables: &Tables) -> Vec<AuditFinding> {
    let mut sums: BTreeMap<OrderId, u64> = BTreeMap::new();
    for ((order_id, _), row) in &tables.allocations {
        *sums.entry(*order_id).or_default() += u64::from(row.quantity.units());
    }
    let differing = tables.orders.iter().filter_map(|(id, row)| {
        let sum = sums.get(id).copied().unwrap_or(0);
        let expected = if is_allocated(row.status) {
            u64::from(row.quantity.units())
        } else {
            0
        };
        (sum != expected).then(|| AuditFinding {
            rule: audit_rules::ALLOCATED,
            row: id.to_string(),
            detail: format!(
                "{} with quantity {} has {sum} units allocated",
                row.status, row.quantity
            ),
        })
    });
    differing.take(MOST).collect()
}

fn shipped(tables: &Tables) -> Vec<AuditFinding> {
    let differing = tables
        .allocations
        .iter()
        .filter_map(|((order_id, vendor_id), row)| {
            let status = tables.orders.get(order_id)?.status;
            let has_left = matches!(status, OrderStatus::Shipped | OrderStatus::Delivered);
            let is_wrong = match (row.shipped_at, status) {
                (None, _) => has_left,
                (Some(_), OrderStatus::Confirmed) => {
                    let parts = tables.allocations_of(*order_id);
                    parts.iter().all(|part| part.shipped)
                }
                (Some(_), _) => !has_left,
            };
            is_wrong.then(|| AuditFinding {
                rule: audit_rules::SHIPPED,
                row: format!("order {order_id} at {vendor_id}"),
                detail: match row.shipped_at {
                    Some(shipped_at) => {
                        format!("shipped_at is {shipped_at}, the order is {status}")
                    }
                    None => format!("shipped_at is empty, the order is {status}"),
                },
            })
        });
    differing.take(MOST).collect()
}

#[async_trait]
impl AuditQueries for MemoryStore {
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        let tables = self.committed();
        Ok([quantities, in_flight, allocated, shipped]
            .into_iter()
            .flat_map(|rule| rule(&tables))
            .collect())
    }
}
