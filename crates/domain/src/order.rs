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
}

/// Where an order stands, with what belongs to it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Accepted and durable, not yet decided.
    Pending,
    /// Stock is allocated.
    Confirmed(Vec<Allocation>),
    /// Refused, with the reason.
    Rejected(RejectReason),
    /// Withdrawn; any stock it held went back.
    Cancelled,
    /// Left the vendors.
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
    /// To this state, with no stock involved.
    To(OrderState),
    /// To `CANCELLED`, and these units go back to their vendors.
    CancelAndRelease(Vec<Allocation>),
}

/// A change of state that the state machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an order that is {from} cannot become {to}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: OrderStatus,
    /// The state that was asked for.
    pub to: OrderStatus,
}

impl Order {
    /// Decides what a request to change the status to `to` means for this order.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the state machine has no such edge, and for the edge to `CONFIRMED`, which only
    /// settlement takes.
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
                Ok(Transition::CancelAndRelease(allocations.clone()))
            }
            (OrderState::Confirmed(allocations), OrderStatus::Shipped) => {
                Ok(Transition::To(OrderState::Shipped(allocations.clone())))
            }
            (OrderState::Shipped(allocations), OrderStatus::Delivered) => {
                Ok(Transition::To(OrderState::Delivered(allocations.clone())))
            }
            (state, to) => Err(IllegalTransition {
                from: state.status(),
                to,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let held = vec![Allocation {
            vendor_id: VendorId::parse("v").unwrap(),
            quantity: Quantity::parse(3).unwrap(),
        }];
        let states = [
            OrderState::Pending,
            OrderState::Confirmed(held.clone()),
            OrderState::Rejected(RejectReason::InsufficientStock),
            OrderState::Cancelled,
            OrderState::Shipped(held.clone()),
            OrderState::Delivered(held.clone()),
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
                        assert_eq!(refused, IllegalTransition { from, to });
                        assert!(from != to && !legal.contains(&(from, to)), "{from} to {to}");
                    }
                }
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
