//! Stock reports of vendors.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::identifiers::ProductId;
use crate::stock::MAX_REPORTED;
use crate::timestamp::Timestamp;

/// Whether a report covers all or a part of the vendor's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// All of the stock: a missing product has 0 units.
    Full,
    /// A part of the stock: a missing product is unchanged.
    Delta,
}

/// The reason why a list of products and quantities is not a report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReport {
    /// A product is listed twice, so one of the two lines is wrong.
    #[error("product {0} is listed twice")]
    DuplicateProduct(ProductId),
    /// A negative quantity, or more units than can be stored.
    #[error(
        "product {product_id} has the quantity {quantity}, which is not from 0 to {MAX_REPORTED}"
    )]
    Quantity {
        /// The product.
        product_id: ProductId,
        /// The quantity of the line.
        quantity: i64,
    },
}

/// A report as a feed returns it. It is valid as a whole: one invalid line makes the whole report invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    kind: ReportKind,
    as_of: Option<Timestamp>,
    quantities: BTreeMap<ProductId, u32>,
}

impl Report {
    /// Parses the lines of a report. `as_of` is the as-of that the document states, if it states one.
    ///
    /// # Errors
    /// [`InvalidReport`] with the first invalid product.
    pub fn parse(
        kind: ReportKind,
        as_of: Option<Timestamp>,
        lines: impl IntoIterator<Item = (ProductId, i64)>,
    ) -> Result<Self, InvalidReport> {
        let mut quantities = BTreeMap::new();
        for (product_id, quantity) in lines {
            let Some(units) = u32::try_from(quantity)
                .ok()
                .filter(|&units| units <= MAX_REPORTED)
            else {
                return Err(InvalidReport::Quantity {
                    product_id,
                    quantity,
                });
            };
            if quantities.insert(product_id.clone(), units).is_some() {
                return Err(InvalidReport::DuplicateProduct(product_id));
            }
        }
        Ok(Self {
            kind,
            as_of,
            quantities,
        })
    }

    /// Creates a report of quantities that are already in a map, without a copy of it.
    ///
    /// # Errors
    /// [`InvalidReport::Quantity`] with the first product that has more than [`MAX_REPORTED`] units.
    pub fn from_quantities(
        kind: ReportKind,
        as_of: Option<Timestamp>,
        quantities: BTreeMap<ProductId, u32>,
    ) -> Result<Self, InvalidReport> {
        let too_many = quantities.iter().find(|(_, units)| **units > MAX_REPORTED);
        if let Some((product_id, units)) = too_many {
            return Err(InvalidReport::Quantity {
                product_id: product_id.clone(),
                quantity: i64::from(*units),
            });
        }
        Ok(Self {
            kind,
            as_of,
            quantities,
        })
    }

    /// A report without lines and without an as-of.
    #[must_use]
    pub fn empty(kind: ReportKind) -> Self {
        Self {
            kind,
            as_of: None,
            quantities: BTreeMap::new(),
        }
    }

    /// The kind of the report.
    #[must_use]
    pub fn kind(&self) -> ReportKind {
        self.kind
    }

    /// The as-of that the document states, by the vendor's clock; see [`evidence`](crate::evidence).
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// The quantities by product.
    #[must_use]
    pub fn quantities(&self) -> &BTreeMap<ProductId, u32> {
        &self.quantities
    }

    /// Whether the report has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quantities.is_empty()
    }

    /// The reported quantity of a product: 0 for a product that a full report leaves out, `None` for one that a delta leaves
    /// out.
    #[must_use]
    pub fn quantity_of(&self, product_id: &ProductId) -> Option<u32> {
        match (self.quantities.get(product_id), self.kind) {
            (Some(&units), _) => Some(units),
            (None, ReportKind::Full) => Some(0),
            (None, ReportKind::Delta) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str) -> ProductId {
        ProductId::parse(name).unwrap()
    }

    #[test]
    fn one_invalid_line_makes_the_report_invalid() {
        let twice = [(product("a"), 1), (product("b"), 2), (product("a"), 1)];
        assert_eq!(
            Report::parse(ReportKind::Full, None, twice),
            Err(InvalidReport::DuplicateProduct(product("a")))
        );
        for wrong in [-1, i64::from(MAX_REPORTED) + 1] {
            assert!(Report::parse(ReportKind::Delta, None, [(product("a"), wrong)]).is_err());
        }
        let of_units = |units| {
            let quantities = BTreeMap::from([(product("a"), units)]);
            Report::from_quantities(ReportKind::Full, None, quantities)
        };
        assert_eq!(of_units(MAX_REPORTED).unwrap().quantities().len(), 1);
        assert!(of_units(MAX_REPORTED + 1).is_err());
    }
}
