//! What each vendor reported of a product, what of that was sold here, and what is left.

use thiserror::Error;

use crate::identifiers::{ProductId, VendorId};
use crate::order::Allocation;
use crate::timestamp::Timestamp;

/// Most units that one vendor can report of one product: what an SQL `integer` holds.
pub const MAX_REPORTED: u32 = i32::MAX.unsigned_abs();

/// One vendor's position in one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorStock {
    /// Whose.
    pub vendor_id: VendorId,
    /// What the vendor last reported, in units.
    pub reported: u32,
    /// Sold here, and not known to the last report, in units.
    pub in_flight: u32,
    /// The as-of of the report that last changed this position.
    pub as_of: Timestamp,
    /// Whether the vendor is still configured; if not, it is not sold from.
    pub configured: bool,
    /// Whether the vendor's numbers are older than its setting `max_age` allows; if so, it is not sold from.
    pub is_expired: bool,
}

impl VendorStock {
    /// What can still be sold of it: max(0, reported − in flight).
    #[must_use]
    pub fn available(&self) -> u32 {
        self.reported.saturating_sub(self.in_flight)
    }

    /// The same, but nothing for a vendor that is no longer configured, or whose numbers have expired.
    #[must_use]
    pub fn sellable(&self) -> u32 {
        if self.configured && !self.is_expired {
            self.available()
        } else {
            0
        }
    }
}

/// One product with the positions of all its vendors, by vendor id: what the stock row's lock protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductStock {
    /// Which product.
    pub product_id: ProductId,
    /// By vendor id, each vendor at most once.
    pub vendors: Vec<VendorStock>,
}

impl ProductStock {
    /// What can still be sold, over all configured vendors, in units.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.vendors
            .iter()
            .map(|vendor| u64::from(vendor.sellable()))
            .sum()
    }

    /// One vendor's position.
    #[must_use]
    pub fn vendor(&self, vendor_id: &VendorId) -> Option<&VendorStock> {
        self.vendors
            .iter()
            .find(|vendor| vendor.vendor_id == *vendor_id)
    }

    pub(crate) fn vendor_mut(&mut self, vendor_id: &VendorId) -> Option<&mut VendorStock> {
        self.vendors
            .iter_mut()
            .find(|vendor| vendor.vendor_id == *vendor_id)
    }

    /// Takes units of a cancelled order back.
    ///
    /// # Errors
    /// [`Imbalance`] if a vendor does not have these units in flight: the store contradicts itself, and nothing may be
    /// written.
    pub fn release(mut self, units: &[Allocation]) -> Result<StockChange, Imbalance> {
        let mut touched = Vec::with_capacity(units.len());
        for allocation in units {
            let released = self
                .vendor_mut(&allocation.vendor_id)
                .and_then(|vendor| {
                    vendor.in_flight = vendor.in_flight.checked_sub(allocation.quantity.units())?;
                    Some(vendor.clone())
                })
                .ok_or_else(|| Imbalance {
                    product_id: self.product_id.clone(),
                    vendor_id: allocation.vendor_id.clone(),
                })?;
            touched.push(released);
        }
        Ok(StockChange {
            quantity: self.quantity(),
            product_id: self.product_id,
            vendors: touched,
        })
    }
}

/// What to write for one product: absolute values, computed from rows that are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockChange {
    /// Which product.
    pub product_id: ProductId,
    /// What can be sold of it from now on, in units.
    pub quantity: u64,
    /// The positions that changed; all others stay.
    pub vendors: Vec<VendorStock>,
}

/// The units in flight that the store has for a vendor do not cover what its own allocations say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "product {product_id} has fewer units in flight at vendor {vendor_id} than its allocations say; run the audit"
)]
pub struct Imbalance {
    /// Of which product.
    pub product_id: ProductId,
    /// At which vendor.
    pub vendor_id: VendorId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Quantity;

    fn product(reported: u32, in_flight: u32) -> ProductStock {
        ProductStock {
            product_id: ProductId::parse("p").unwrap(),
            vendors: vec![VendorStock {
                vendor_id: VendorId::parse("v").unwrap(),
                reported,
                in_flight,
                as_of: Timestamp::from_micros(0),
                configured: true,
                is_expired: false,
            }],
        }
    }

    fn units(quantity: i64) -> Vec<Allocation> {
        vec![Allocation::new(
            VendorId::parse("v").unwrap(),
            Quantity::parse(quantity).unwrap(),
        )]
    }

    #[test]
    fn released_units_can_be_sold_again() {
        let change = product(50, 30).release(&units(10)).unwrap();
        assert_eq!(change.quantity, 30);
        assert_eq!(change.vendors[0].in_flight, 20);
    }

    #[test]
    fn a_release_below_a_reduced_report_sells_nothing_yet() {
        let change = product(5, 30).release(&units(10)).unwrap();
        assert_eq!(change.quantity, 0);
        assert_eq!(change.vendors[0].in_flight, 20);
    }

    #[test]
    fn more_than_is_in_flight_cannot_be_released() {
        assert!(product(50, 9).release(&units(10)).is_err());
    }
}
