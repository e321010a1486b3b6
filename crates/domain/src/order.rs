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
mod tests;
