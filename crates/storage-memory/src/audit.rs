//! The audit: recomputes every balance from orders and allocations.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::OrderStatus;
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules, longest_pending};
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::tables::Tables;

/// Maximum findings per rule.
const MAX_FINDINGS: usize = 1_000;

fn quantities(tables: &Tables) -> Vec<AuditFinding> {
    let differing = tables.stock.iter().filter_map(|(product_id, row)| {
        let sum = tables.product_stock(product_id).quantity();
        (row.quantity != sum).then(|| AuditFinding {
            rule: audit_rules::QUANTITY,
            row: product_id.to_string(),
            detail: format!("quantity is {}, the sum is {sum}", row.quantity),
        })
    });
    differing.take(MAX_FINDINGS).collect()
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
        .vendor_stock
        .iter()
        .filter_map(|((product_id, vendor_id), row)| {
            let sum = sums.get(&(product_id, vendor_id)).copied().unwrap_or(0);
            (u64::from(row.in_flight) != sum).then(|| AuditFinding {
                rule: audit_rules::IN_FLIGHT,
                row: format!("{product_id} of {vendor_id}"),
                detail: format!("in_flight is {}, the sum is {sum}", row.in_flight),
            })
        });
    differing.take(MAX_FINDINGS).collect()
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
    differing.take(MAX_FINDINGS).collect()
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
    differing.take(MAX_FINDINGS).collect()
}

fn of_allocation(order_id: OrderId, vendor_id: &VendorId) -> String {
    format!("order {order_id} at {vendor_id}")
}

fn allocation_orders(tables: &Tables) -> Vec<AuditFinding> {
    let dangling = tables.allocations.keys();
    let dangling = dangling.filter(|(order_id, _)| !tables.orders.contains_key(order_id));
    let dangling = dangling.map(|(order_id, vendor_id)| AuditFinding {
        rule: audit_rules::ALLOCATION_ORDER,
        row: of_allocation(*order_id, vendor_id),
        detail: "the order does not exist".to_owned(),
    });
    dangling.take(MAX_FINDINGS).collect()
}

fn allocation_stock_rows(tables: &Tables) -> Vec<AuditFinding> {
    let dangling = tables
        .allocations
        .iter()
        .filter(|((_, vendor_id), row)| {
            let stock_row = (row.product_id.clone(), vendor_id.clone());
            !tables.vendor_stock.contains_key(&stock_row)
        })
        .map(|((order_id, vendor_id), row)| AuditFinding {
            rule: audit_rules::ALLOCATION_VENDOR_STOCK,
            row: of_allocation(*order_id, vendor_id),
            detail: format!("the vendor has no stock row of product {}", row.product_id),
        });
    dangling.take(MAX_FINDINGS).collect()
}

fn included(tables: &Tables) -> Vec<AuditFinding> {
    let early = tables
        .allocations
        .iter()
        .filter_map(|((order_id, vendor_id), row)| {
            let known_as_of = row.known_as_of?;
            let applied = tables
                .vendors
                .get(vendor_id)
                .and_then(|row| row.history.applied);
            let is_early = applied.is_none_or(|applied| known_as_of > applied.as_of);
            is_early.then(|| AuditFinding {
                rule: audit_rules::INCLUDED,
                row: of_allocation(*order_id, vendor_id),
                detail: format!("known_as_of is {known_as_of}"),
            })
        });
    early.take(MAX_FINDINGS).collect()
}

fn shipped_later(tables: &Tables, now: Timestamp) -> Vec<AuditFinding> {
    let later = tables
        .allocations
        .iter()
        .filter_map(|((order_id, vendor_id), row)| {
            let shipped_at = row.shipped_at.filter(|instant| *instant > now)?;
            Some(AuditFinding {
                rule: audit_rules::SHIPPED_LATER,
                row: of_allocation(*order_id, vendor_id),
                detail: format!("shipped_at is {shipped_at}"),
            })
        });
    later.take(MAX_FINDINGS).collect()
}

fn pending(tables: &Tables, now: Timestamp) -> Vec<AuditFinding> {
    let queued: BTreeSet<OrderId> = tables
        .outbox
        .values()
        .flat_map(|row| row.orders.iter().map(|order| order.order_id))
        .collect();
    let stranded = tables.orders.iter().filter(|(id, row)| {
        let since = row.requeued_at.unwrap_or(row.created_at);
        row.status == OrderStatus::Pending
            && since < now.minus(longest_pending(row.requeues))
            && !queued.contains(id)
            && !tables.dead_letters.contains_key(id)
    });
    let stranded = stranded.map(|(id, row)| AuditFinding {
        rule: audit_rules::PENDING,
        row: id.to_string(),
        detail: format!("PENDING since {}", row.created_at),
    });
    stranded.take(MAX_FINDINGS).collect()
}

fn numbers(tables: &Tables, last: i64) -> Option<AuditFinding> {
    let (highest, _) = tables.orders.last_key_value()?;
    (highest.0 > last).then(|| AuditFinding {
        rule: audit_rules::SEQUENCE,
        row: "orders".to_owned(),
        detail: format!("the last number is {last}, the highest is {highest}"),
    })
}

#[async_trait]
impl AuditQueries for MemoryStore {
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        let tables = self.committed();
        let now = self.shared().clock.now();
        let rules = [
            quantities,
            in_flight,
            allocated,
            shipped,
            allocation_orders,
            allocation_stock_rows,
            included,
        ];
        let mut found: Vec<AuditFinding> =
            rules.into_iter().flat_map(|rule| rule(&tables)).collect();
        found.extend(shipped_later(&tables, now));
        found.extend(pending(&tables, now));
        found.extend(numbers(&tables, self.shared().last_number()));
        Ok(found)
    }
}
