//! Values of a run: the report that the sync of a vendor read, and its changes.

use crate::evidence::Proven;
use crate::refusal::Refusals;

/// The report that a run read, and its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunDetails {
    /// The proven as-of of the report, after the vendor's lag was subtracted; `None` without a report, or if it proves nothing.
    pub proven: Option<Proven>,
    /// The size of the report.
    pub size: ReportSize,
    /// The name of the file or object that the report was read from; `None` if its source has none.
    pub file: Option<String>,
    /// The products that the run changed.
    pub products: ProductCounts,
    /// The records that refused the report.
    pub refused: Refusals,
    /// The verdict of the vendor's guard, on one line; `None` if no guard was applied.
    pub guard: Option<String>,
}

/// The size of a report, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportSize {
    /// Number of bytes that were transferred, before decompression; `None` if nothing was transferred completely.
    pub bytes: Option<u64>,
    /// Number of records in the document; `None` if the document was not read. A product can have several records.
    pub rows: Option<u64>,
}

/// Numbers of products by the change of their reported quantity. Each product of the report is counted once. A product that
/// a full report leaves out is counted only if it had units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductCounts {
    /// Products that the vendor did not have before.
    pub added: u64,
    /// Products with another quantity, except those that are `zeroed`.
    pub changed: u64,
    /// Products of the report with the same quantity as before.
    pub unchanged: u64,
    /// Products that had units before and have none now.
    pub zeroed: u64,
}

/// The change of the reported quantity of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityChange {
    /// The vendor did not have the product before.
    Added,
    /// The quantity is another, and not [`Zeroed`](Self::Zeroed).
    Changed,
    /// The quantity is the same.
    Unchanged,
    /// The product had units before and has none now.
    Zeroed,
}

impl QuantityChange {
    /// The change from the quantity `before`, `None` if the vendor did not have the product, to `after`.
    #[must_use]
    pub fn between(before: Option<u32>, after: u32) -> Self {
        match before {
            None => Self::Added,
            Some(before) if before == after => Self::Unchanged,
            Some(_) if after == 0 => Self::Zeroed,
            Some(_) => Self::Changed,
        }
    }
}

impl ProductCounts {
    /// Counts a product.
    pub fn count(&mut self, change: QuantityChange) {
        let count = match change {
            QuantityChange::Added => &mut self.added,
            QuantityChange::Changed => &mut self.changed,
            QuantityChange::Unchanged => &mut self.unchanged,
            QuantityChange::Zeroed => &mut self.zeroed,
        };
        *count += 1;
    }

    /// Adds the products of another part of the report.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.zeroed += other.zeroed;
    }
}

/// Appends a note to the error of a run.
#[must_use]
pub fn with_note(error: Option<String>, note: &str) -> String {
    match error {
        Some(error) => format!("{error}; {note}"),
        None => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_depends_on_both_quantities() {
        for (before, after, change) in [
            (None, 0, QuantityChange::Added),
            (None, 5, QuantityChange::Added),
            (Some(0), 0, QuantityChange::Unchanged),
            (Some(5), 5, QuantityChange::Unchanged),
            (Some(5), 0, QuantityChange::Zeroed),
            (Some(5), 4, QuantityChange::Changed),
            (Some(0), 1, QuantityChange::Changed),
        ] {
            let found = QuantityChange::between(before, after);
            assert_eq!(found, change, "{before:?} {after}");
        }
    }
}
