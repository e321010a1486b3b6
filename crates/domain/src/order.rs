//! An order and its state machine.
//!
//! ```text
//! PENDING ──► CONFIRMED ──► SHIPPED ──► DELIVERED
//!    │  │         │
//!    │  └─────────┴──► CANCELLED
//!    └──► REJECTED
//! ```
//!
//! Only settlement makes an order `CONFIRMED`, because that transition needs stock. The data of a state is part of the
//! state, so an order that is confirmed without an allocation, or rejected without a reason, cannot be constructed.
//!
//! Each vendor ships its own allocation. The order stays `CONFIRMED` until the last allocation is shipped, and cannot be
//! cancelled once the first one is.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::quantity::Quantity;
use crate::timestamp::Timestamp;

/// The part of an order that the customer decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderRequest {
    /// The ordered product.
    pub product_id: ProductId,
    /// The ordered quantity.
    pub quantity: Quantity,
}

/// An order in its current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's id.
    pub id: OrderId,
    /// The ordered product.
    pub product_id: ProductId,
    /// The ordered quantity.
    pub quantity: Quantity,
    /// The current state with its data.
    pub state: OrderState,
    /// When the order was accepted, by the store's clock.
    pub created_at: Timestamp,
    /// When the state last changed, by the store's clock.
    pub updated_at: Timestamp,
}

/// Units of one order that one vendor supplies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allocation {
    /// The vendor that supplies the units.
    pub vendor_id: VendorId,
    /// Number of units.
    pub quantity: Quantity,
    /// Whether the units are shipped: the vendor's own count no longer contains them.
    pub shipped: bool,
}

impl Allocation {
    /// An allocation that is not shipped yet.
    #[must_use]
    pub fn new(vendor_id: VendorId, quantity: Quantity) -> Self {
        Self {
            vendor_id,
            quantity,
            shipped: false,
        }
    }

    /// The same allocation, shipped.
    #[must_use]
    pub fn into_shipped(self) -> Self {
        Self {
            shipped: true,
            ..self
        }
    }
}

/// The state of an order, with the data that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Accepted and durable, not yet decided.
    Pending,
    /// Stock is allocated, and at least one vendor has not shipped its allocation.
    Confirmed(Vec<Allocation>),
    /// Rejected, with the reason.
    Rejected(RejectReason),
    /// Cancelled; any stock that was allocated to it is released.
    Cancelled,
    /// Every allocation is shipped.
    Shipped(Vec<Allocation>),
    /// Delivered to the customer.
    Delivered(Vec<Allocation>),
}

impl OrderState {
    /// The status of the state.
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

    /// The allocations; empty for states without allocations.
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        match self {
            Self::Confirmed(allocations)
            | Self::Shipped(allocations)
            | Self::Delivered(allocations) => allocations,
            Self::Pending | Self::Rejected(_) | Self::Cancelled => &[],
        }
    }

    /// The reason of a rejection; `None` in other states.
    #[must_use]
    pub fn reject_reason(&self) -> Option<RejectReason> {
        match self {
            Self::Rejected(reason) => Some(*reason),
            _ => None,
        }
    }
}

/// The statuses of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// See [`OrderState::Pending`].
    Pending,
    /// See [`OrderState::Confirmed`].
    Confirmed,
    /// See [`OrderState::Rejected`].
    Rejected,
    /// See [`OrderState::Cancelled`].
    Cancelled,
    /// See [`OrderState::Shipped`].
    Shipped,
    /// See [`OrderState::Delivered`].
    Delivered,
}

impl OrderStatus {
    /// All variants, in the order of their declaration.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The status on the wire and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The reason of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectReason {
    /// The available stock of all vendors together was less than the quantity.
    InsufficientStock,
    /// No vendor has ever reported the product.
    UnknownProduct,
    /// An operator rejected it.
    Manual,
}

impl RejectReason {
    /// All variants, in the order of their declaration.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The reason on the wire and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A valid change of state that an operator requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The order already has this status: nothing changes.
    Unchanged,
    /// The new state, without a change of stock. If a vendor ships its allocation and others have not, the state stays
    /// `CONFIRMED` with that allocation shipped.
    To(OrderState),
    /// The order becomes `CANCELLED`, and these units are released to their vendors.
    CancelAndRelease(Vec<Allocation>),
}

/// A change of state that the state machine does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IllegalTransition {
    /// The state machine has no transition between the two states.
    #[error("an order that is {from} cannot become {to}")]
    NoEdge {
        /// The current status.
        from: OrderStatus,
        /// The requested status.
        to: OrderStatus,
    },
    /// A vendor has shipped its allocation, so its stock cannot be released.
    #[error("the order cannot become CANCELLED: vendor {vendor_id} has shipped its part")]
    PartlyShipped {
        /// The first vendor that has shipped.
        vendor_id: VendorId,
    },
}

/// The reason why a vendor's allocation cannot be marked as shipped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShippingRefused {
    /// The order has a status in which nothing can be shipped.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The vendor has no allocation of the order.
    #[error("vendor {vendor_id} supplies no unit of the order")]
    NotSupplied {
        /// The vendor of the request.
        vendor_id: VendorId,
    },
}

impl Order {
    /// Decides a request to change the status to `to`.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the state machine has no such transition, for the transition to `CONFIRMED`, which only
    /// settlement makes, and for the transition to `CANCELLED` once a vendor has shipped its allocation.
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

    /// Decides a request to mark one vendor's allocation as shipped: the order becomes `SHIPPED` with the last one, and
    /// stays `CONFIRMED` before. An allocation that is already shipped is unchanged.
    ///
    /// # Errors
    /// [`ShippingRefused`] if the order is neither `CONFIRMED` nor `SHIPPED`, or the vendor has no allocation of it.
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
