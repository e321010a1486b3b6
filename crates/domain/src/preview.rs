//! Previews a report for an operator: a pure comparison of all its lines with all stock rows of its vendor, and its effect on
//! orders. Nothing is decided from it.
//!
//! The rows are added page by page in the order of product ids, like those of a [`Merge`](crate::comparison::Merge).

use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

use crate::comparison::{Comparison, ReportedStock};
use crate::identifiers::ProductId;
use crate::quantity::Quantity;
use crate::report::ReportKind;

/// Maximum number of products in each list of a preview; all of them are counted.
pub const MAX_LISTED: usize = 5;

/// Numbers of products by the effect of a report on their reported quantity. Each product of the report, and each product
/// that the vendor ever reported, is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreviewCounts {
    /// Products that the vendor did not report before.
    pub added: u64,
    /// Products with another quantity, except those that are `zeroed`.
    pub changed: u64,
    /// Products that had units before and would have none.
    pub zeroed: u64,
    /// Lines with the same quantity as before.
    pub unchanged: u64,
    /// Lines of a delta that are older than the stock row of their product, and would not be applied.
    pub outdated: u64,
    /// Products that the report does not name and that keep their quantity: those that a delta leaves out, and those without
    /// units that a full report leaves out.
    pub not_named: u64,
}

impl PreviewCounts {
    /// Number of products.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            added,
            changed,
            zeroed,
            unchanged,
            outdated,
            not_named,
        } = self;
        added + changed + zeroed + unchanged + outdated + not_named
    }
}

/// Numbers of the vendor's reported units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreviewUnits {
    /// Units before the report, over all products.
    pub before: u64,
    /// Units after it.
    pub after: u64,
    /// Units that it takes away, without those that it adds to other products.
    pub lost: u64,
    /// Number of products that have units before.
    pub products_before: u64,
}

/// The change of the reported quantity of one product, in units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductChange {
    /// The product.
    pub product_id: ProductId,
    /// The quantity before; 0 for a product that the vendor did not report before.
    pub before: u32,
    /// The quantity after.
    pub after: u32,
}

impl ProductChange {
    fn size(&self) -> u64 {
        u64::from(self.before.abs_diff(self.after))
    }
}

/// A product of which the vendor would have fewer units than it still has to ship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The product.
    pub product_id: ProductId,
    /// The quantity after the report.
    pub after: u32,
    /// Units of `CONFIRMED` orders that are allocated to the vendor and not shipped.
    pub unshipped: u64,
}

impl Shortage {
    fn size(&self) -> u64 {
        self.unshipped.saturating_sub(u64::from(self.after))
    }
}

/// The orders of one product that are not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOrders {
    /// Units of `CONFIRMED` orders that are allocated to the vendor and not shipped.
    pub unshipped: u64,
    /// The quantities of the `PENDING` orders, the oldest order first.
    pub pending: Vec<Quantity>,
}

/// The effect that a report would have on its vendor's stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Numbers of products.
    pub counts: PreviewCounts,
    /// Numbers of units.
    pub units: PreviewUnits,
    /// The largest changes, at most [`MAX_LISTED`]; the largest first, then by product id.
    pub largest: Vec<ProductChange>,
    /// Number of products of which the vendor would have fewer units than it still has to ship.
    pub short: u64,
    /// The largest shortages, at most [`MAX_LISTED`]; the largest first, then by product id.
    pub shortages: Vec<Shortage>,
    /// The quantities after the report of the products with `PENDING` orders; without those that the vendor never reported.
    pub pending: BTreeMap<ProductId, u32>,
}

/// Makes a [`Preview`] of a report.
#[derive(Debug)]
pub struct Previewer<'r> {
    comparison: Comparison<'r>,
    lines: Peekable<btree_map::Iter<'r, ProductId, u32>>,
    open_orders: &'r BTreeMap<ProductId, OpenOrders>,
    preview: Preview,
}

impl<'r> Previewer<'r> {
    /// Begins a preview. `open_orders` contains the orders by product.
    #[must_use]
    pub fn new(
        comparison: Comparison<'r>,
        open_orders: &'r BTreeMap<ProductId, OpenOrders>,
    ) -> Self {
        Self {
            comparison,
            lines: comparison.report.quantities().iter().peekable(),
            open_orders,
            preview: Preview::default(),
        }
    }

    /// Adds the next page of the vendor's stock rows, by product id.
    pub fn add_rows(&mut self, rows: &[ReportedStock]) {
        for row in rows {
            while let Some((product_id, &units)) =
                self.lines.next_if(|(id, _)| **id < row.product_id)
            {
                self.add(product_id, Some(units), None);
            }
            let line = self.lines.next_if(|(id, _)| **id == row.product_id);
            self.add(&row.product_id, line.map(|(_, units)| *units), Some(row));
        }
    }

    /// Ends the preview after the last page.
    #[must_use]
    pub fn finish(mut self) -> Preview {
        while let Some((product_id, &units)) = self.lines.next() {
            self.add(product_id, Some(units), None);
        }
        self.preview
    }

    /// Adds a product that has a line or a stock row, or both.
    fn add(&mut self, product_id: &ProductId, line: Option<u32>, row: Option<&ReportedStock>) {
        let before = row.map_or(0, |row| row.reported);
        let counts = &mut self.preview.counts;
        let (after, count) = match (line, self.comparison.report.kind()) {
            (None, ReportKind::Full) if before > 0 => (0, &mut counts.zeroed),
            (None, _) => (before, &mut counts.not_named),
            (Some(units), _) if row.is_none() => (units, &mut counts.added),
            (Some(_), ReportKind::Delta) if !self.comparison.affects(line, row) => {
                (before, &mut counts.outdated)
            }
            (Some(units), _) if units == before => (units, &mut counts.unchanged),
            (Some(0), _) => (0, &mut counts.zeroed),
            (Some(units), _) => (units, &mut counts.changed),
        };
        *count += 1;
        let units = &mut self.preview.units;
        units.before += u64::from(before);
        units.after += u64::from(after);
        units.lost += u64::from(before.saturating_sub(after));
        units.products_before += u64::from(before > 0);
        if before != after {
            let change = ProductChange {
                product_id: product_id.clone(),
                before,
                after,
            };
            list(&mut self.preview.largest, change, ProductChange::size);
        }
        if let Some(open) = self.open_orders.get(product_id) {
            self.add_open(product_id, after, open);
        }
    }

    fn add_open(&mut self, product_id: &ProductId, after: u32, open: &OpenOrders) {
        if !open.pending.is_empty() {
            self.preview.pending.insert(product_id.clone(), after);
        }
        if u64::from(after) < open.unshipped {
            self.preview.short += 1;
            let shortage = Shortage {
                product_id: product_id.clone(),
                after,
                unshipped: open.unshipped,
            };
            list(&mut self.preview.shortages, shortage, Shortage::size);
        }
    }
}

/// Inserts an element in the order of its size, and keeps the largest.
fn list<T>(largest: &mut Vec<T>, element: T, size: impl Fn(&T) -> u64) {
    let index = largest.partition_point(|other| size(other) >= size(&element));
    if index < MAX_LISTED {
        largest.insert(index, element);
        largest.truncate(MAX_LISTED);
    }
}

/// The number of orders of one product that settlement would confirm, given the units that can be sold and the quantities of
/// the orders, the oldest order first.
#[must_use]
pub fn confirmable(sellable: u64, wanted: &[Quantity]) -> u64 {
    let mut left = sellable;
    let mut confirmed = 0;
    for quantity in wanted {
        if let Some(rest) = left.checked_sub(u64::from(quantity.units())) {
            left = rest;
            confirmed += 1;
        }
    }
    confirmed
}

#[cfg(test)]
mod tests;
