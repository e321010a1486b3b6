//! The counts of a run: products by the change of their reported quantity, over all chunks of a report.

use super::plan::Plan;
use crate::identifiers::ProductId;
use crate::report::ReportKind;
use crate::run::{ProductCounts, QuantityChange};
use crate::stock::ProductStock;

/// Products that were counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// The products. Those of a full report with an unchanged quantity are added at its end, because most of them are in no
    /// chunk.
    pub(super) products: ProductCounts,
    /// Number of lines of a full report whose product has another quantity.
    differing_lines: u64,
}

impl Counted {
    /// Counts locked products that the report affects, before it is applied to them.
    pub(super) fn of(plan: &Plan<'_>, locked: &[ProductStock]) -> Self {
        let is_full = plan.report.kind() == ReportKind::Full;
        let mut counted = Self::default();
        for product in locked {
            let before = product.vendor(plan.vendor_id).map(|row| row.reported);
            let Some(after) = plan.report.quantity_of(&product.product_id) else {
                continue;
            };
            let change = QuantityChange::between(before, after);
            let differs = change != QuantityChange::Unchanged;
            if differs || !is_full {
                counted.products.count(change);
            }
            let is_line = plan.report.quantities().contains_key(&product.product_id);
            counted.differing_lines += u64::from(is_full && differs && is_line);
        }
        counted
    }

    /// Adds the products of another chunk.
    pub(super) fn add(&mut self, other: Self) {
        self.products.add(other.products);
        self.differing_lines += other.differing_lines;
    }

    /// The counts of an applied report, which was not applied to the products in `left`.
    pub(super) fn of_applied(self, plan: &Plan<'_>, left: &[ProductId]) -> ProductCounts {
        if plan.report.kind() != ReportKind::Full {
            return self.products;
        }
        let lines = plan.report.quantities();
        let left = left.iter().filter(|id| lines.contains_key(*id)).count() as u64;
        let differing = self.differing_lines.saturating_add(left);
        ProductCounts {
            unchanged: plan.received().saturating_sub(differing),
            ..self.products
        }
    }
}
