//! Allocation of an order to vendors: a policy, and the check that no policy can oversell.

use std::cmp::Reverse;

use crate::identifiers::VendorId;
use crate::order::Allocation;
use crate::quantity::Quantity;

/// The available quantity of one vendor for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The vendor.
    pub vendor_id: &'a VendorId,
    /// Available units, at least 1.
    pub available: u32,
}

/// Chooses vendors for a quantity that the offers together cover. Replaceable: every result is checked by [`covers`] before
/// any unit is sold.
pub type AllocationPolicy = fn(offers: &[Offer<'_>], wanted: Quantity) -> Vec<Allocation>;

/// The default policy: the vendor with the most units first, ties by vendor id. It uses the fewest possible vendors.
#[must_use]
pub fn most_available_first(offers: &[Offer<'_>], wanted: Quantity) -> Vec<Allocation> {
    let mut by_available: Vec<&Offer<'_>> = offers.iter().collect();
    by_available.sort_by_key(|offer| (Reverse(offer.available), offer.vendor_id));
    let mut remaining = wanted.units();
    let mut chosen = Vec::new();
    for offer in by_available {
        let Ok(quantity) = Quantity::parse(i64::from(remaining.min(offer.available))) else {
            break;
        };
        remaining -= quantity.units();
        chosen.push(Allocation::new(offer.vendor_id.clone(), quantity));
    }
    chosen
}

/// Whether an allocation is valid: exactly the wanted units, each vendor at most once and within its offer.
#[must_use]
pub fn covers(offers: &[Offer<'_>], wanted: Quantity, chosen: &[Allocation]) -> bool {
    let total: u64 = chosen
        .iter()
        .map(|allocation| u64::from(allocation.quantity.units()))
        .sum();
    let are_valid = chosen.iter().enumerate().all(|(index, allocation)| {
        let is_offered = offers.iter().any(|offer| {
            *offer.vendor_id == allocation.vendor_id
                && allocation.quantity.units() <= offer.available
        });
        let is_first = chosen[..index]
            .iter()
            .all(|earlier| earlier.vendor_id != allocation.vendor_id);
        is_offered && is_first
    });
    are_valid && total == u64::from(wanted.units())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vendors(count: usize) -> Vec<VendorId> {
        (0..count)
            .map(|index| VendorId::parse(format!("v{index}")).unwrap())
            .collect()
    }

    fn offers<'a>(vendors: &'a [VendorId], available: &[u32]) -> Vec<Offer<'a>> {
        vendors
            .iter()
            .zip(available)
            .map(|(vendor_id, &available)| Offer {
                vendor_id,
                available,
            })
            .collect()
    }

    #[test]
    fn ties_are_broken_by_vendor_id() {
        let vendors = vendors(3);
        let wanted = Quantity::parse(5).unwrap();
        let chosen = most_available_first(&offers(&vendors, &[3, 4, 4]), wanted);
        let names: Vec<_> = chosen
            .iter()
            .map(|allocation| (allocation.vendor_id.as_str(), allocation.quantity.units()))
            .collect();
        assert_eq!(names, [("v1", 4), ("v2", 1)]);
    }

    #[test]
    fn an_allocation_with_a_repeated_vendor_or_beyond_its_offer_is_invalid() {
        let vendors = vendors(2);
        let offers = offers(&vendors, &[3, 3]);
        let part = |vendor: usize, quantity: i64| {
            Allocation::new(vendors[vendor].clone(), Quantity::parse(quantity).unwrap())
        };
        let four = Quantity::parse(4).unwrap();
        assert!(covers(&offers, four, &[part(0, 3), part(1, 1)]));
        assert!(!covers(&offers, four, &[part(0, 2), part(0, 2)]));
        assert!(!covers(&offers, four, &[part(0, 4)]));
        assert!(!covers(&offers, four, &[part(0, 3)]));
        assert!(!covers(&offers, four, &[]));
    }

    proptest! {
        #[test]
        fn the_default_policy_covers_the_order_with_the_fewest_vendors(
            available in prop::collection::vec(1_u32..50, 1..7),
            share in 0.0_f64..=1.0,
        ) {
            let total: u32 = available.iter().sum();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let wanted = ((f64::from(total) * share) as u32).clamp(1, total);
            let vendors = vendors(available.len());
            let offers = offers(&vendors, &available);
            let wanted = Quantity::parse(i64::from(wanted)).unwrap();
            let chosen = most_available_first(&offers, wanted);
            prop_assert!(covers(&offers, wanted, &chosen));

            let fewest = (0_u32..1 << available.len())
                .filter(|subset| {
                    let sum: u32 = available
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| subset & (1 << index) != 0)
                        .map(|(_, units)| units)
                        .sum();
                    sum >= wanted.units()
                })
                .map(u32::count_ones)
                .min()
                .unwrap();
            prop_assert_eq!(chosen.len(), fewest as usize);
        }
    }
}
