//! The quantity of an order.

use std::fmt;

use thiserror::Error;

/// Maximum quantity of one order, in units.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// The number is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an integer from 1 to {MAX_QUANTITY}")]
pub struct InvalidQuantity;

/// A number of units, 1 to 1,000,000: an order of zero or fewer units cannot be constructed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u32);

impl Quantity {
    /// Parses a quantity.
    ///
    /// # Errors
    /// [`InvalidQuantity`] outside 1 to 1,000,000.
    pub fn parse(number: i64) -> Result<Self, InvalidQuantity> {
        u32::try_from(number)
            .ok()
            .filter(|units| (1..=MAX_QUANTITY).contains(units))
            .map(Self)
            .ok_or(InvalidQuantity)
    }

    /// The number of units.
    #[must_use]
    pub fn units(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_from_one_to_a_million() {
        assert_eq!(Quantity::parse(1).map(Quantity::units), Ok(1));
        assert_eq!(
            Quantity::parse(1_000_000).map(Quantity::units),
            Ok(1_000_000)
        );
        for wrong in [0, -5, 1_000_001, i64::MAX, i64::MIN] {
            assert_eq!(Quantity::parse(wrong), Err(InvalidQuantity));
        }
    }
}
