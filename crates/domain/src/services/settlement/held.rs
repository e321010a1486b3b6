//! The orders of a batch that one attempt leaves unsettled, by the row that each needs.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::super::held_rows::Row;
use crate::identifiers::{OrderId, ProductId};
use crate::settlement::PendingOrder;

/// Orders that an attempt did not settle.
#[derive(Default)]
pub(super) struct Held {
    /// Those that were not found to be `PENDING` and free: they are settled already, unknown, or locked.
    pub(super) orders: Vec<OrderId>,
    /// Those whose product is locked.
    products: BTreeMap<ProductId, Vec<OrderId>>,
    /// Those that were locked and put back into the outbox for this time, because a vendor was never tried.
    pub(super) waiting: Option<(Vec<OrderId>, Duration)>,
}

impl Held {
    /// Moves the orders of held products from `pending` to here.
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

    /// The orders that wait for the same row; without a row if it is one of the orders themselves.
    pub(super) fn into_groups(self) -> impl Iterator<Item = (Option<Row>, Vec<OrderId>)> {
        let products = self.products.into_iter();
        let products = products.map(|(id, orders)| (Some(Row::Stock(id)), orders));
        products.chain([(None, self.orders)])
    }
}

/// The orders that were not locked.
pub(super) fn missing(asked: &[OrderId], locked: &[PendingOrder]) -> Vec<OrderId> {
    if asked.len() == locked.len() {
        return Vec::new();
    }
    let locked: HashSet<OrderId> = locked.iter().map(|order| order.id).collect();
    let asked = asked.iter().copied();
    asked.filter(|id| !locked.contains(id)).collect()
}
