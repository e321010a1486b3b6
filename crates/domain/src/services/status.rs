//! Changes of an order's status by an operator.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use crate::identifiers::{OrderId, VendorId};
use crate::order::{
    Allocation, IllegalTransition, Order, OrderState, OrderStatus, ShippingRefused, Transition,
};
use crate::ports::{Clock, NoopNotifier, Notifier, Store, StoreError, Topic, UnitOfWork};
use crate::retry::{self, AsStoreError};
use crate::stock::Imbalance;

/// An order after the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedOrder {
    /// The order in its current state.
    pub order: Order,
    /// Whether this request changed the order.
    pub changed: bool,
}

/// The reason why the status was not changed.
#[derive(Debug, Error)]
pub enum ChangeStatusError {
    /// No order has this id.
    #[error("there is no order {0}")]
    NotFound(OrderId),
    /// The order is not in the version that the caller expected.
    #[error("the order is not in the expected version")]
    VersionMismatch,
    /// The state machine has no such transition.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The vendor of the request has no allocation of the order.
    #[error("vendor {0} supplies no unit of the order")]
    NotSupplied(VendorId),
    /// The store is inconsistent.
    #[error(transparent)]
    Imbalance(#[from] Imbalance),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ShippingRefused> for ChangeStatusError {
    fn from(refused: ShippingRefused) -> Self {
        match refused {
            ShippingRefused::Illegal(illegal) => Self::Illegal(illegal),
            ShippingRefused::NotSupplied { vendor_id } => Self::NotSupplied(vendor_id),
        }
    }
}

impl AsStoreError for ChangeStatusError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Changes the status of orders.
#[derive(Clone)]
pub struct ChangeStatus {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    notifier: Arc<dyn Notifier>,
}

impl ChangeStatus {
    /// Creates the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            notifier: Arc::new(NoopNotifier),
        }
    }

    /// Notifies listeners of changed orders through `notifier`.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Changes the status under the order's lock, if `is_expected` returns true for the current order. A cancelled order
    /// releases its stock in the same transaction, and therefore exactly once.
    ///
    /// # Errors
    /// [`ChangeStatusError`].
    pub async fn change(
        &self,
        id: OrderId,
        to: OrderStatus,
        is_expected: impl Fn(&Order) -> bool + Send + Sync,
    ) -> Result<ChangedOrder, ChangeStatusError> {
        let decide = |order: &Order| Ok(order.transition(to)?);
        self.change_by(id, &decide, &is_expected).await
    }

    /// Marks one vendor's allocation as shipped, under the order's lock and if `is_expected` returns true for the current
    /// order. With the last allocation, the order becomes `SHIPPED`.
    ///
    /// # Errors
    /// [`ChangeStatusError`].
    pub async fn ship_part(
        &self,
        id: OrderId,
        vendor_id: &VendorId,
        is_expected: impl Fn(&Order) -> bool + Send + Sync,
    ) -> Result<ChangedOrder, ChangeStatusError> {
        let decide = |order: &Order| Ok(order.ship_part(vendor_id)?);
        let changed = self.change_by(id, &decide, &is_expected).await?;
        if changed.changed {
            info!(order.id = id.0, vendor.id = %vendor_id, "allocation shipped");
        }
        Ok(changed)
    }

    async fn change_by(
        &self,
        id: OrderId,
        decide: &(impl Fn(&Order) -> Result<Transition, ChangeStatusError> + Sync),
        is_expected: &(impl Fn(&Order) -> bool + Sync),
    ) -> Result<ChangedOrder, ChangeStatusError> {
        let changed =
            retry::on_conflict(&self.clock, || self.change_once(id, decide, is_expected)).await?;
        if changed.changed {
            self.notifier.notify(Topic::Changes);
            let status = changed.order.state.status();
            info!(order.id = id.0, order.status = %status, "order status changed");
        }
        Ok(changed)
    }

    async fn change_once(
        &self,
        id: OrderId,
        decide: &(impl Fn(&Order) -> Result<Transition, ChangeStatusError> + Sync),
        is_expected: &(impl Fn(&Order) -> bool + Sync),
    ) -> Result<ChangedOrder, ChangeStatusError> {
        let mut work = self.store.begin().await?;
        let order = work
            .lock_order(id)
            .await?
            .ok_or(ChangeStatusError::NotFound(id))?;
        if !is_expected(&order) {
            return Err(ChangeStatusError::VersionMismatch);
        }
        let state = match decide(&order)? {
            Transition::Unchanged => {
                return Ok(ChangedOrder {
                    order,
                    changed: false,
                });
            }
            Transition::To(state) => state,
            Transition::CancelAndRelease(units) => {
                release(work.as_mut(), &order, &units).await?;
                OrderState::Cancelled
            }
        };
        let order = work.save_state(id, &state).await?;
        work.commit().await?;
        Ok(ChangedOrder {
            order,
            changed: true,
        })
    }
}

async fn release(
    work: &mut dyn UnitOfWork,
    order: &Order,
    units: &[Allocation],
) -> Result<(), ChangeStatusError> {
    let stock = work
        .lock_stock(std::slice::from_ref(&order.product_id))
        .await?
        .pop()
        .ok_or_else(|| StoreError::Corrupt {
            table: "stock",
            column: "product_id",
            row: order.product_id.to_string(),
        })?;
    let change = stock.release(units)?;
    work.save_stock(&[change]).await?;
    Ok(())
}
