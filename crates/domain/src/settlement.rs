//! The decision on a batch of orders: confirm each with an allocation, or reject it.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::allocation::{AllocationPolicy, Offer, covers};
use crate::identifiers::{OrderId, ProductId};
use crate::order::{Allocation, OrderRequest, OrderState, RejectReason};
use crate::stock::{ProductStock, StockChange};

/// An order to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingOrder {
    /// The order's id: lower is older, and is decided first.
    pub id: OrderId,
    /// The requested product and quantity.
    pub request: OrderRequest,
}

/// Returns the products of the orders, sorted by id.
#[must_use]
pub fn products_of(orders: &[PendingOrder]) -> Vec<ProductId> {
    let ids = orders.iter().map(|order| &order.request.product_id);
    let mut ids: Vec<&ProductId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().cloned().collect()
}

/// The decision on one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The order is confirmed with these allocations.
    Confirmed(Vec<Allocation>),
    /// The order is rejected for this reason.
    Rejected(RejectReason),
}

impl From<Outcome> for OrderState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Confirmed(allocations) => Self::Confirmed(allocations),
            Outcome::Rejected(reason) => Self::Rejected(reason),
        }
    }
}

/// An order with the decision on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledOrder {
    /// The order's id.
    pub id: OrderId,
    /// The ordered product.
    pub product_id: ProductId,
    /// The decision.
    pub outcome: Outcome,
}

/// The decision on a batch: the rows to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettledBatch {
    /// One entry per order, by id.
    pub orders: Vec<SettledOrder>,
    /// The products with sold units, by product id.
    pub stock: Vec<StockChange>,
}

impl SettledBatch {
    /// Returns whether any order is rejected.
    #[must_use]
    pub fn has_rejections(&self) -> bool {
        let mut orders = self.orders.iter();
        orders.any(|order| matches!(order.outcome, Outcome::Rejected(_)))
    }

    /// Adds the decisions on other orders, of other products.
    pub fn merge(&mut self, other: Self) {
        self.orders.extend(other.orders);
        self.orders.sort_by_key(|order| order.id);
        self.stock.extend(other.stock);
        let by_id = |one: &StockChange, two: &StockChange| one.product_id.cmp(&two.product_id);
        self.stock.sort_by(by_id);
    }

    /// Removes the rejections: these orders stay `PENDING`, because a vendor may be about to report their products.
    /// Confirmations do not depend on rejections, so all of them are kept. Returns the removed orders, by id.
    pub fn take_rejections(&mut self) -> Vec<OrderId> {
        let (confirmed, rejected) = std::mem::take(&mut self.orders)
            .into_iter()
            .partition(|order| matches!(order.outcome, Outcome::Confirmed(_)));
        self.orders = confirmed;
        let rejected: Vec<SettledOrder> = rejected;
        rejected.into_iter().map(|order| order.id).collect()
    }
}

/// The allocation policy returned something other than the wanted units from the offered vendors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the allocation policy returned an allocation for order {order_id} of product {product_id} that the offers do not cover"
)]
pub struct PolicyViolation {
    /// The order.
    pub order_id: OrderId,
    /// The product.
    pub product_id: ProductId,
}

/// Decides a batch, oldest order first. An order that exceeds the remaining quantity is rejected; a later, smaller one can
/// still be confirmed.
///
/// `stock` contains the locked stock of the orders' products; a product without an entry is unknown.
///
/// # Errors
/// [`PolicyViolation`] if `policy` breaks its contract; then nothing may be written.
pub fn settle(
    mut orders: Vec<PendingOrder>,
    stock: Vec<ProductStock>,
    policy: AllocationPolicy,
) -> Result<SettledBatch, PolicyViolation> {
    orders.sort_by_key(|order| order.id);
    let before: BTreeMap<ProductId, ProductStock> = stock
        .into_iter()
        .map(|product| (product.product_id.clone(), product))
        .collect();
    let mut after = before.clone();

    let mut settled = Vec::with_capacity(orders.len());
    for order in orders {
        let outcome = match after.get_mut(&order.request.product_id) {
            None => Outcome::Rejected(RejectReason::UnknownProduct),
            Some(product) => decide(&order, product, policy)?,
        };
        settled.push(SettledOrder {
            id: order.id,
            product_id: order.request.product_id,
            outcome,
        });
    }

    Ok(SettledBatch {
        orders: settled,
        stock: after
            .into_values()
            .filter_map(|product| change_since(&before, product))
            .collect(),
    })
}

fn decide(
    order: &PendingOrder,
    product: &mut ProductStock,
    policy: AllocationPolicy,
) -> Result<Outcome, PolicyViolation> {
    let wanted = order.request.quantity;
    if u64::from(wanted.units()) > product.quantity() {
        return Ok(Outcome::Rejected(RejectReason::InsufficientStock));
    }
    let offers: Vec<Offer<'_>> = product
        .vendors
        .iter()
        .filter(|vendor| vendor.sellable() > 0)
        .map(|vendor| Offer {
            vendor_id: &vendor.vendor_id,
            available: vendor.sellable(),
        })
        .collect();
    let chosen = policy(&offers, wanted);
    if !covers(&offers, wanted, &chosen) {
        return Err(PolicyViolation {
            order_id: order.id,
            product_id: order.request.product_id.clone(),
        });
    }
    for allocation in &chosen {
        if let Some(vendor) = product.vendor_mut(&allocation.vendor_id) {
            vendor.in_flight += allocation.quantity.units();
        }
    }
    Ok(Outcome::Confirmed(chosen))
}

fn change_since(
    before: &BTreeMap<ProductId, ProductStock>,
    product: ProductStock,
) -> Option<StockChange> {
    let earlier = before.get(&product.product_id)?;
    if *earlier == product {
        return None;
    }
    Some(StockChange {
        quantity: product.quantity(),
        product_id: product.product_id,
        vendors: product
            .vendors
            .into_iter()
            .filter(|vendor| earlier.vendor(&vendor.vendor_id) != Some(vendor))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::allocation::most_available_first;
    use crate::identifiers::VendorId;
    use crate::quantity::Quantity;
    use crate::stock::VendorStock;
    use crate::timestamp::Timestamp;

    fn product_id(index: usize) -> ProductId {
        ProductId::parse(format!("p{index}")).unwrap()
    }

    fn product(index: usize, vendors: &[(u32, u32, bool)]) -> ProductStock {
        ProductStock {
            product_id: product_id(index),
            vendors: vendors
                .iter()
                .enumerate()
                .map(|(vendor, &(reported, in_flight, configured))| VendorStock {
                    vendor_id: VendorId::parse(format!("v{vendor}")).unwrap(),
                    reported,
                    in_flight,
                    as_of: Timestamp::from_micros(0),
                    configured,
                    is_expired: false,
                })
                .collect(),
        }
    }

    fn order(id: i64, product: usize, quantity: i64) -> PendingOrder {
        PendingOrder {
            id: OrderId(id),
            request: OrderRequest {
                product_id: product_id(product),
                quantity: Quantity::parse(quantity).unwrap(),
            },
        }
    }

    fn reasons(batch: &SettledBatch) -> Vec<Option<RejectReason>> {
        batch
            .orders
            .iter()
            .map(|order| match order.outcome {
                Outcome::Confirmed(_) => None,
                Outcome::Rejected(reason) => Some(reason),
            })
            .collect()
    }

    #[test]
    fn orders_are_decided_oldest_first_and_a_small_one_can_follow_a_rejected_large_one() {
        let orders = vec![order(3, 0, 2), order(1, 0, 7), order(2, 0, 9)];
        let batch = settle(
            orders,
            vec![product(0, &[(10, 0, true)])],
            most_available_first,
        )
        .unwrap();
        assert_eq!(
            reasons(&batch),
            [None, Some(RejectReason::InsufficientStock), None]
        );
        assert_eq!(batch.stock[0].quantity, 1);
    }

    #[test]
    fn unknown_products_and_unconfigured_vendors_have_different_reasons() {
        let orders = vec![order(1, 0, 1), order(2, 1, 1)];
        let batch = settle(
            orders,
            vec![product(1, &[(10, 0, false)])],
            most_available_first,
        )
        .unwrap();
        assert_eq!(
            reasons(&batch),
            [
                Some(RejectReason::UnknownProduct),
                Some(RejectReason::InsufficientStock)
            ]
        );
        assert!(batch.stock.is_empty());
    }

    #[test]
    fn a_policy_that_oversells_is_an_error() {
        let greedy: AllocationPolicy = |offers, _| {
            let far_too_many = Quantity::parse(1_000).unwrap();
            vec![Allocation::new(offers[0].vendor_id.clone(), far_too_many)]
        };
        let refused = settle(
            vec![order(1, 0, 1)],
            vec![product(0, &[(10, 0, true)])],
            greedy,
        );
        assert_eq!(refused.unwrap_err().product_id, product_id(0));
    }

    fn any_product(index: usize) -> impl Strategy<Value = ProductStock> {
        prop::collection::vec((0_u32..40, 0_u32..40, prop::bool::weighted(0.8)), 0..4)
            .prop_map(move |vendors| product(index, &vendors))
    }

    proptest! {
        /// P1: all confirmed units were reported and not sold before, the remaining quantity is never negative, and every
        /// unit is accounted for.
        #[test]
        fn no_unit_is_sold_twice(
            stock in (any_product(0), any_product(1)),
            wanted in prop::collection::vec((0_usize..3, 1_i64..12), 0..40),
        ) {
            let stock = vec![stock.0, stock.1];
            let orders: Vec<_> = wanted
                .iter()
                .enumerate()
                .map(|(id, &(product, quantity))| order(i64::try_from(id).unwrap(), product, quantity))
                .collect();
            let batch = settle(orders.clone(), stock.clone(), most_available_first).unwrap();
            prop_assert_eq!(batch.orders.len(), orders.len());

            for before in &stock {
                let mut sold = 0_u64;
                for vendor in &before.vendors {
                    let taken: u32 = batch
                        .orders
                        .iter()
                        .filter(|order| order.product_id == before.product_id)
                        .filter_map(|order| match &order.outcome {
                            Outcome::Confirmed(allocations) => allocations
                                .iter()
                                .find(|allocation| allocation.vendor_id == vendor.vendor_id),
                            Outcome::Rejected(_) => None,
                        })
                        .map(|allocation| allocation.quantity.units())
                        .sum();
                    prop_assert!(taken <= vendor.sellable());
                    sold += u64::from(taken);
                    let after = batch
                        .stock
                        .iter()
                        .find(|change| change.product_id == before.product_id)
                        .and_then(|change| {
                            change.vendors.iter().find(|row| row.vendor_id == vendor.vendor_id)
                        });
                    prop_assert_eq!(
                        after.map_or(vendor.in_flight, |row| row.in_flight),
                        vendor.in_flight + taken
                    );
                }
                let left = batch
                    .stock
                    .iter()
                    .find(|change| change.product_id == before.product_id)
                    .map_or(before.quantity(), |change| change.quantity);
                prop_assert_eq!(left + sold, before.quantity());
            }
        }

        /// An order is rejected only if its quantity exceeded the remaining one when it was decided.
        #[test]
        fn an_order_is_rejected_only_if_it_exceeds_the_remaining_quantity(
            stock in any_product(0),
            wanted in prop::collection::vec(1_i64..12, 0..40),
        ) {
            let orders: Vec<_> = wanted
                .iter()
                .enumerate()
                .map(|(id, &quantity)| order(i64::try_from(id).unwrap(), 0, quantity))
                .collect();
            let mut left = stock.quantity();
            let batch = settle(orders.clone(), vec![stock], most_available_first).unwrap();
            for (order, settled) in orders.iter().zip(&batch.orders) {
                let units = u64::from(order.request.quantity.units());
                let fits = units <= left;
                prop_assert_eq!(fits, matches!(settled.outcome, Outcome::Confirmed(_)));
                if fits {
                    left -= units;
                }
            }
        }
    }
}
