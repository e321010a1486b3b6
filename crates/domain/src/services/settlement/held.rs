//! The orders of a batch that one attempt leaves unsettled, by the row that each needs.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::super::held_rows::Row;
use crate::identifiers::{OrderId, ProductId};
use crate::settlement::PendingOrder;

/// Orders that an attempt did not settle.
#[derive(Default)]
pub(super) struct Held {
    /// Orders that could not be locked as `PENDING`: they are already settled, unknown, or locked.
    pub(super) orders: Vec<OrderId>,
    /// Orders whose product is locked.
    products: BTreeMap<ProductId, Vec<OrderId>>,
    /// Orders that were postponed by this delay, because a vendor was never tried.
    pub(super) delayed: Option<(Vec<OrderId>, Duration)>,
}

impl Held {
    /// Moves the orders of held products from `pending` to `self`.
    pub(super) fn take_products(&mut self, held: Vec<ProductId>, pending: &mut Vec<PendingOrder>) {
        if held.is_empty() {
            return;
        }
        let held = held.into_iter().map(|id| (id, Vec::new()));
        self.products.extend(held);
        pending.retain(|order| {
            let orders = self.products.get_mut(&order.request.product_id);
            orders.map(|orders| orders.push(order.id)).is_none()
        });
    }

    /// The orders grouped by the row that they need; `None` for the orders' own rows.
    pub(super) fn into_groups(self) -> impl Iterator<Item = (Option<Row>, Vec<OrderId>)> {
        let products = self.products.into_iter();
        let products = products.map(|(id, orders)| (Some(Row::Stock(id)), orders));
        products.chain([(None, self.orders)])
    }
}

/// The requested orders that were not locked.
pub(super) fn missing(requested: &[OrderId], locked: &[PendingOrder]) -> Vec<OrderId> {
    if requested.len() == locked.len() {
        return Vec::new();
    }
    let locked: HashSet<OrderId> = locked.iter().map(|order| order.id).collect();
    let requested = requested.iter().copied();
    requested.filter(|id| !locked.contains(id)).collect()
}
