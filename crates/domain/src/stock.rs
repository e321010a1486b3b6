//! The stock of products: the reported quantity of each vendor, the units in flight, and the available quantity.

use thiserror::Error;

use crate::identifiers::{ProductId, VendorId};
use crate::order::Allocation;
use crate::timestamp::Timestamp;

/// Maximum number of units that one vendor can report for one product: the maximum of an SQL `integer`.
pub const MAX_REPORTED: u32 = i32::MAX.unsigned_abs();

/// One vendor's stock of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorStock {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The quantity that the vendor last reported, in units.
    pub reported: u32,
    /// Units sold here that the last report does not include.
    pub in_flight: u32,
    /// The as-of of the report that last changed this row.
    pub as_of: Timestamp,
    /// Whether the vendor is configured; if not, it is not sold from.
    pub configured: bool,
    /// Whether the vendor's numbers are older than its setting `max_age` allows; if so, it is not sold from.
    pub is_expired: bool,
}

impl VendorStock {
    /// The available quantity: max(0, reported − in flight), in units.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.reported.saturating_sub(self.in_flight)
    }

    /// Like [`available`](Self::available), but 0 for a vendor that is not configured or whose numbers have expired.
    #[must_use]
    pub fn sellable(&self) -> u32 {
        if self.configured && !self.is_expired {
            self.available()
        } else {
            0
        }
    }
}

/// One product with the stock of all its vendors, by vendor id: the rows that the lock on the stock row protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductStock {
    /// The product.
    pub product_id: ProductId,
    /// The stock of each vendor, by vendor id, each vendor at most once.
    pub vendors: Vec<VendorStock>,
}

impl ProductStock {
    /// The quantity that can be sold, over all vendors, in units.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.vendors
            .iter()
            .map(|vendor| u64::from(vendor.sellable()))
            .sum()
    }

    /// The stock of one vendor.
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

    /// Releases the units of a cancelled order.
    ///
    /// # Errors
    /// [`Imbalance`] if a vendor does not have these units in flight: the store is inconsistent, and nothing may be written.
    pub fn release(mut self, units: &[Allocation]) -> Result<StockChange, Imbalance> {
        let mut changed = Vec::with_capacity(units.len());
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
            changed.push(released);
        }
        Ok(StockChange {
            quantity: self.quantity(),
            product_id: self.product_id,
            vendors: changed,
        })
    }
}

/// The values to write for one product: absolute values, computed from locked rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockChange {
    /// The product.
    pub product_id: ProductId,
    /// The new quantity that can be sold, in units.
    pub quantity: u64,
    /// The vendor stock rows that changed; all others stay.
    pub vendors: Vec<VendorStock>,
}

/// The stored units in flight of a vendor are fewer than the sum of its allocations.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "product {product_id} has fewer units in flight at vendor {vendor_id} than the sum of its allocations; run the audit"
)]
pub struct Imbalance {
    /// The product.
    pub product_id: ProductId,
    /// The vendor.
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
    fn a_release_makes_no_unit_available_while_in_flight_exceeds_reported() {
        let change = product(5, 30).release(&units(10)).unwrap();
        assert_eq!(change.quantity, 0);
        assert_eq!(change.vendors[0].in_flight, 20);
    }

    #[test]
    fn releasing_more_than_in_flight_is_an_imbalance() {
        assert!(product(50, 9).release(&units(10)).is_err());
    }
}
