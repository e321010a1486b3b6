//! An order and its state machine.
//!
//! ```text
//! PENDING ──► CONFIRMED ──► SHIPPED ──► DELIVERED
//!    │  │         │
//!    │  └─────────┴──► CANCELLED
//!    └──► REJECTED
//! ```
//!
//! Only settlement makes an order `CONFIRMED`: that move needs stock. What a state carries is part of the state, so an
//! order that is confirmed without an allocation, or rejected without a reason, cannot be built.
//!
//! Each vendor ships its own part. The order stays `CONFIRMED` until the last part is shipped, and cannot be cancelled
//! once the first one is.

use thiserror::Error;

use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::quantity::Quantity;
use crate::timestamp::Timestamp;
use crate::words::words;

/// What a customer asks for: the two members of an order that the customer decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderRequest {
    /// What.
    pub product_id: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// What was ordered.
    pub product_id: ProductId,
    /// How many.
    pub quantity: Quantity,
    /// Where it stands, with what belongs to that state.
    pub state: OrderState,
    /// When it was accepted, by the store's clock.
    pub created_at: Timestamp,
    /// When its state last changed, by the store's clock.
    pub updated_at: Timestamp,
}

/// Units of one order that one vendor supplies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allocation {
    /// Who supplies them.
    pub vendor_id: VendorId,
    /// How many.
    pub quantity: Quantity,
    /// Whether they were reported as shipped: the vendor's own count no longer holds them.
    pub shipped: bool,
}

impl Allocation {
    /// Units that are not shipped yet.
    #[must_use]
    pub fn new(vendor_id: VendorId, quantity: Quantity) -> Self {
        Self {
            vendor_id,
            quantity,
            shipped: false,
        }
    }

    /// The same units, shipped.
    #[must_use]
    pub fn into_shipped(self) -> Self {
        Self {
            shipped: true,
            ..self
        }
    }
}

/// Where an order stands, with what belongs to it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Accepted and durable, not yet decided.
    Pending,
    /// Stock is allocated, and at least one vendor has not shipped its part.
    Confirmed(Vec<Allocation>),
    /// Refused, with the reason.
    Rejected(RejectReason),
    /// Withdrawn; any stock it held went back.
    Cancelled,
    /// Left the vendors: every allocation is shipped.
    Shipped(Vec<Allocation>),
    /// Arrived.
    Delivered(Vec<Allocation>),
}

impl OrderState {
    /// The state's name.
    #[must_use]
    pub fn status(&self) -> OrderStatus {
        match self {
            Self::Pending => OrderStatus::Pending,
            Self::Confirmed(_) => OrderStatus::Confirmed,
            Self::Rejected(_) => OrderStatus::Rejected,
            Self::Cancelled => OrderStatus::Cancelled,
            Self::Shipped(_) => OrderStatus::Shipped,
            Self::Delivered(_) => OrderStatus::Delivered,
        }
    }

    /// The allocations, empty where the state has none.
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        match self {
            Self::Confirmed(allocations)
            | Self::Shipped(allocations)
            | Self::Delivered(allocations) => allocations,
            Self::Pending | Self::Rejected(_) | Self::Cancelled => &[],
        }
    }

    /// Why the order was rejected, if it was.
    #[must_use]
    pub fn reject_reason(&self) -> Option<RejectReason> {
        match self {
            Self::Rejected(reason) => Some(*reason),
            _ => None,
        }
    }
}

words! {
    /// The names of the states.
    OrderStatus {
        /// See [`OrderState::Pending`].
        Pending = "PENDING",
        /// See [`OrderState::Confirmed`].
        Confirmed = "CONFIRMED",
        /// See [`OrderState::Rejected`].
        Rejected = "REJECTED",
        /// See [`OrderState::Cancelled`].
        Cancelled = "CANCELLED",
        /// See [`OrderState::Shipped`].
        Shipped = "SHIPPED",
        /// See [`OrderState::Delivered`].
        Delivered = "DELIVERED",
    }
}

words! {
    /// Why an order was rejected.
    RejectReason {
        /// The vendors together had too little left.
        InsufficientStock = "INSUFFICIENT_STOCK",
        /// No vendor ever reported the product.
        UnknownProduct = "UNKNOWN_PRODUCT",
        /// An operator rejected it.
        Manual = "MANUAL",
    }
}

/// A change of state that an operator asked for and the state machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The order is already there: nothing changes.
    Unchanged,
    /// To this state, with no stock involved. Where a vendor ships its part and others have not, the state is
    /// `CONFIRMED` as before, with that vendor's allocation shipped.
    To(OrderState),
    /// To `CANCELLED`, and these units go back to their vendors.
    CancelAndRelease(Vec<Allocation>),
}

/// A change of state that the state machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IllegalTransition {
    /// There is no edge between the two states.
    #[error("an order that is {from} cannot become {to}")]
    NoEdge {
        /// The state it is in.
        from: OrderStatus,
        /// The state that was asked for.
        to: OrderStatus,
    },
    /// A part of the order has left a vendor, so that its stock cannot go back.
    #[error("the order cannot become CANCELLED: vendor {vendor_id} has shipped its part")]
    PartlyShipped {
        /// The first vendor that has shipped.
        vendor_id: VendorId,
    },
}

/// Why a vendor's part of an order cannot be marked as shipped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShippingRefused {
    /// The order is in a state in which nothing is shipped.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The vendor has no allocation of the order.
    #[error("vendor {vendor_id} supplies no unit of the order")]
    NotSupplied {
        /// The vendor that was named.
        vendor_id: VendorId,
    },
}

impl Order {
    /// Decides what a request to change the status to `to` means for this order.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the state machine has no such edge, for the edge to `CONFIRMED`, which only
    /// settlement takes, and for the edge to `CANCELLED` once a vendor has shipped its part.
    pub fn transition(&self, to: OrderStatus) -> Result<Transition, IllegalTransition> {
        match (&self.state, to) {
            (state, to) if state.status() == to => Ok(Transition::Unchanged),
            (OrderState::Pending, OrderStatus::Cancelled) => {
                Ok(Transition::To(OrderState::Cancelled))
            }
            (OrderState::Pending, OrderStatus::Rejected) => {
                Ok(Transition::To(OrderState::Rejected(RejectReason::Manual)))
            }
            (OrderState::Confirmed(allocations), OrderStatus::Cancelled) => {
                match allocations.iter().find(|allocation| allocation.shipped) {
                    Some(shipped) => Err(IllegalTransition::PartlyShipped {
                        vendor_id: shipped.vendor_id.clone(),
                    }),
                    None => Ok(Transition::CancelAndRelease(allocations.clone())),
                }
            }
            (OrderState::Confirmed(allocations), OrderStatus::Shipped) => {
                let shipped = allocations.iter().cloned().map(Allocation::into_shipped);
                Ok(Transition::To(OrderState::Shipped(shipped.collect())))
            }
            (OrderState::Shipped(allocations), OrderStatus::Delivered) => {
                Ok(Transition::To(OrderState::Delivered(allocations.clone())))
            }
            (state, to) => Err(IllegalTransition::NoEdge {
                from: state.status(),
                to,
            }),
        }
    }

    /// Decides what a request to mark one vendor's part as shipped means for this order: the order becomes `SHIPPED`
    /// with its last part, and stays `CONFIRMED` before. A part that is shipped already stays as it is.
    ///
    /// # Errors
    /// [`ShippingRefused`] if the order is neither `CONFIRMED` nor `SHIPPED`, or the vendor supplies none of it.
    pub fn ship_part(&self, vendor_id: &VendorId) -> Result<Transition, ShippingRefused> {
        let (OrderState::Confirmed(allocations) | OrderState::Shipped(allocations)) = &self.state
        else {
            return Err(ShippingRefused::Illegal(IllegalTransition::NoEdge {
                from: self.state.status(),
                to: OrderStatus::Shipped,
            }));
        };
        let mut after = allocations.clone();
        let part = after
            .iter_mut()
            .find(|allocation| allocation.vendor_id == *vendor_id)
            .ok_or_else(|| ShippingRefused::NotSupplied {
                vendor_id: vendor_id.clone(),
            })?;
        if part.shipped {
            return Ok(Transition::Unchanged);
        }
        part.shipped = true;
        Ok(Transition::To(
            if after.iter().all(|allocation| allocation.shipped) {
                OrderState::Shipped(after)
            } else {
                OrderState::Confirmed(after)
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vendor(name: &str) -> VendorId {
        VendorId::parse(name).unwrap()
    }

    fn part(vendor_id: &str, units: i64) -> Allocation {
        Allocation::new(vendor(vendor_id), Quantity::parse(units).unwrap())
    }

    fn order(state: OrderState) -> Order {
        Order {
            id: OrderId(1),
            product_id: ProductId::parse("p").unwrap(),
            quantity: Quantity::parse(3).unwrap(),
            state,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn the_state_machine_has_these_edges_and_no_other() {
        use OrderStatus::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};
        let held = vec![part("v", 3)];
        let left = vec![part("v", 3).into_shipped()];
        let states = [
            OrderState::Pending,
            OrderState::Confirmed(held.clone()),
            OrderState::Rejected(RejectReason::InsufficientStock),
            OrderState::Cancelled,
            OrderState::Shipped(left.clone()),
            OrderState::Delivered(left),
        ];
        let legal = [
            (Pending, Cancelled),
            (Pending, Rejected),
            (Confirmed, Cancelled),
            (Confirmed, Shipped),
            (Shipped, Delivered),
        ];
        for state in states {
            let from = state.status();
            for &to in OrderStatus::ALL {
                let decided = order(state.clone()).transition(to);
                match decided {
                    Ok(Transition::Unchanged) => assert_eq!(from, to),
                    Ok(Transition::To(next)) => {
                        assert_eq!(next.status(), to);
                        assert!(legal.contains(&(from, to)), "{from} to {to}");
                    }
                    Ok(Transition::CancelAndRelease(units)) => {
                        assert_eq!((from, to), (Confirmed, Cancelled));
                        assert_eq!(units, held);
                    }
                    Err(refused) => {
                        assert_eq!(refused, IllegalTransition::NoEdge { from, to });
                        assert!(from != to && !legal.contains(&(from, to)), "{from} to {to}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_order_is_shipped_when_its_last_part_is() {
        let (v, w) = (part("v", 2), part("w", 1));
        let confirmed = order(OrderState::Confirmed(vec![v.clone(), w.clone()]));
        let partly = vec![v.clone().into_shipped(), w.clone()];
        let first = confirmed.ship_part(&vendor("v")).unwrap();
        assert_eq!(first, Transition::To(OrderState::Confirmed(partly.clone())));
        let partly = order(OrderState::Confirmed(partly));
        assert_eq!(
            partly.ship_part(&vendor("v")).unwrap(),
            Transition::Unchanged
        );
        let all = OrderState::Shipped(vec![v.into_shipped(), w.into_shipped()]);
        let last = Transition::To(all.clone());
        assert_eq!(partly.ship_part(&vendor("w")).unwrap(), last);
        assert_eq!(partly.transition(OrderStatus::Shipped).unwrap(), last);
        let shipped = order(all);
        assert_eq!(
            shipped.ship_part(&vendor("w")).unwrap(),
            Transition::Unchanged
        );
    }

    #[test]
    fn a_partly_shipped_order_cannot_be_cancelled() {
        let partly = order(OrderState::Confirmed(vec![
            part("v", 2),
            part("w", 1).into_shipped(),
        ]));
        let refused = partly.transition(OrderStatus::Cancelled).unwrap_err();
        let vendor_id = vendor("w");
        assert_eq!(refused, IllegalTransition::PartlyShipped { vendor_id });
        assert!(refused.to_string().contains("vendor w"), "{refused}");
    }

    #[test]
    fn a_part_is_shipped_only_of_a_confirmed_order_and_by_its_supplier() {
        use OrderStatus::Shipped;
        let held = vec![part("v", 3)];
        for state in [
            OrderState::Pending,
            OrderState::Rejected(RejectReason::Manual),
            OrderState::Cancelled,
            OrderState::Delivered(vec![part("v", 3).into_shipped()]),
        ] {
            let from = state.status();
            let refused = order(state).ship_part(&vendor("v")).unwrap_err();
            let illegal = IllegalTransition::NoEdge { from, to: Shipped };
            assert_eq!(refused, ShippingRefused::Illegal(illegal), "{from}");
        }
        for state in [
            OrderState::Confirmed(held.clone()),
            OrderState::Shipped(held),
        ] {
            let vendor_id = vendor("w");
            let refused = order(state).ship_part(&vendor_id).unwrap_err();
            assert_eq!(refused, ShippingRefused::NotSupplied { vendor_id });
        }
    }

    proptest! {
        /// Whatever the order of the shipments and their repetitions: a part that was shipped stays shipped, the units
        /// stay the same, and the order is SHIPPED exactly when every part is.
        #[test]
        fn parts_are_shipped_one_by_one(
            units in prop::collection::vec(1_i64..9, 1..6),
            shipments in prop::collection::vec(prop::option::of(0_usize..7), 0..12),
        ) {
            let parts: Vec<Allocation> = (0..)
                .zip(&units)
                .map(|(number, &units)| part(&format!("v{number}"), units))
                .collect();
            let mut current = order(OrderState::Confirmed(parts.clone()));
            let mut expected = parts;
            for shipment in shipments {
                let decided = match shipment {
                    Some(number) => current.ship_part(&vendor(&format!("v{number}"))),
                    None => current
                        .transition(OrderStatus::Shipped)
                        .map_err(ShippingRefused::Illegal),
                };
                let before = expected.clone();
                match shipment {
                    Some(number) if number >= expected.len() => {
                        prop_assert!(
                            matches!(decided, Err(ShippingRefused::NotSupplied { .. })),
                            "{decided:?}"
                        );
                        continue;
                    }
                    Some(number) => expected[number].shipped = true,
                    None => expected.iter_mut().for_each(|part| part.shipped = true),
                }
                match decided.unwrap() {
                    Transition::To(state) => {
                        prop_assert_ne!(&before, &expected);
                        current.state = state;
                    }
                    Transition::Unchanged => prop_assert_eq!(&before, &expected),
                    other @ Transition::CancelAndRelease(_) => prop_assert!(false, "{other:?}"),
                }
                prop_assert_eq!(current.state.allocations(), &expected[..]);
                let all = expected.iter().all(|part| part.shipped);
                prop_assert_eq!(current.state.status() == OrderStatus::Shipped, all);
                let any = expected.iter().any(|part| part.shipped);
                prop_assert_eq!(current.transition(OrderStatus::Cancelled).is_err(), any);
            }
        }
    }

    #[test]
    fn words_read_back() {
        for &status in OrderStatus::ALL {
            assert_eq!(OrderStatus::from_word(status.as_str()), Some(status));
        }
        assert_eq!(OrderStatus::from_word("confirmed"), None);
    }
}
