//! Finds the products that a report changes: a pure comparison of its lines with the vendor's stock rows.
//!
//! A full report is merged with all stock rows of its vendor, both sorted by product id. The rows are read page by page
//! outside a transaction; [`reconcile`](crate::reconciliation::reconcile) decides the writes again from locked rows.

use std::cmp::Ordering;
use std::collections::btree_map;
use std::iter::Peekable;
use std::vec;

use crate::evidence::ReportOrder;
use crate::identifiers::ProductId;
use crate::reconciliation::includes_shipment;
use crate::report::{Report, ReportKind};
use crate::timestamp::Timestamp;

/// The columns of a vendor's stock row that reports are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedStock {
    /// The product.
    pub product_id: ProductId,
    /// The reported quantity, in units.
    pub reported: u32,
    /// The as-of of the report that last changed the row.
    pub as_of: Timestamp,
    /// When the last delta that named the product was requested; `None` if none did.
    pub requested_at: Option<Timestamp>,
    /// The earliest shipment that no report includes yet; `None` if there is none.
    pub oldest_shipment: Option<Timestamp>,
}

impl ReportedStock {
    /// The order of the report that last changed the row. Rows of earlier versions have no request time; the as-of replaces
    /// it.
    #[must_use]
    pub fn order(&self) -> ReportOrder {
        ReportOrder {
            as_of: self.as_of,
            requested_at: self.requested_at.unwrap_or(self.as_of),
        }
    }
}

/// A report to compare with its vendor's stock rows.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'r> {
    /// The report.
    pub report: &'r Report,
    /// The order of the report among the vendor's reports.
    pub order: ReportOrder,
    /// The effective as-of; `None` if the report proves nothing.
    pub proven_as_of: Option<Timestamp>,
    /// The store's clock.
    pub now: Timestamp,
}

impl Comparison<'_> {
    /// Whether the report must be applied to a product, given the report's line and the vendor's stock row of the product,
    /// if they exist.
    ///
    /// A full report affects a product if its quantity differs (0 for a product that it leaves out), or if the report is the
    /// first to include a shipment. A delta affects each of its lines that is not older than the row. A row with instants
    /// later than the store's clock is always written: the clock was ahead once, so the row cannot be compared.
    #[must_use]
    pub fn affects(&self, line: Option<u32>, row: Option<&ReportedStock>) -> bool {
        let Some(row) = row else {
            return line.is_some();
        };
        let order = row.order();
        let is_future = order.as_of.max(order.requested_at) > self.now;
        match self.report.kind() {
            ReportKind::Full => {
                is_future || row.reported != line.unwrap_or(0) || self.is_first_to_include(row)
            }
            ReportKind::Delta => line.is_some() && (is_future || order <= self.order),
        }
    }

    fn is_first_to_include(&self, row: &ReportedStock) -> bool {
        let proven = self.proven_as_of.zip(row.oldest_shipment);
        proven.is_some_and(|(as_of, shipped_at)| includes_shipment(as_of, shipped_at))
    }
}

/// A product that a report must be applied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The product.
    pub product_id: ProductId,
    /// Whether the vendor has no stock row of the product, so that the product may be unknown.
    pub is_new: bool,
}

/// Merges the lines of a full report with the vendor's stock rows, which are added page by page.
#[derive(Debug)]
pub struct Merge<'r> {
    comparison: Comparison<'r>,
    lines: Peekable<btree_map::Iter<'r, ProductId, u32>>,
    rows: Peekable<vec::IntoIter<ReportedStock>>,
    are_rows_complete: bool,
}

/// The next step of a merge.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The report must be applied to this product.
    Affected(Affected),
    /// The next page of rows is needed.
    NeedsRows,
    /// All products were compared.
    End,
}

impl<'r> Merge<'r> {
    /// Begins a merge.
    #[must_use]
    pub fn new(comparison: Comparison<'r>) -> Self {
        Self {
            comparison,
            lines: comparison.report.quantities().iter().peekable(),
            rows: Vec::new().into_iter().peekable(),
            are_rows_complete: false,
        }
    }

    /// Adds the next page of rows by product id. All rows that were added before must be consumed.
    pub fn add_rows(&mut self, rows: Vec<ReportedStock>, are_last: bool) {
        self.rows = rows.into_iter().peekable();
        self.are_rows_complete = are_last;
    }

    /// Advances to the next product that the report must be applied to.
    pub fn step(&mut self) -> Step {
        loop {
            if self.rows.peek().is_none() && !self.are_rows_complete {
                return Step::NeedsRows;
            }
            let order = match (self.lines.peek(), self.rows.peek()) {
                (None, None) => return Step::End,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((product_id, _)), Some(row)) => (*product_id).cmp(&row.product_id),
            };
            let line = self.lines.next_if(|_| order.is_le());
            let row = self.rows.next_if(|_| order.is_ge());
            let units = line.map(|(_, units)| *units);
            if !self.comparison.affects(units, row.as_ref()) {
                continue;
            }
            let is_new = row.is_none();
            let named = line.map(|(product_id, _)| product_id.clone());
            if let Some(product_id) = named.or_else(|| row.map(|row| row.product_id)) {
                return Step::Affected(Affected { product_id, is_new });
            }
        }
    }
}

#[cfg(test)]
mod tests;
