//! Log lines of an attempt to settle a batch.

use std::time::Duration;

use tracing::info;

use crate::identifiers::OrderId;
use crate::settlement::{Outcome, SettledBatch};

pub(super) fn log_delayed(order_ids: &[OrderId], delay: Duration) {
    info!(
        orders = order_ids.len(),
        first.order.id = order_ids.first().map(|id| id.0),
        last.order.id = order_ids.last().map(|id| id.0),
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "a configured vendor was never tried; orders that would be rejected are postponed"
    );
}

pub(super) fn log_settled(batch: &SettledBatch) {
    let confirmed = batch
        .orders
        .iter()
        .filter(|order| matches!(order.outcome, Outcome::Confirmed(_)))
        .count();
    info!(
        confirmed,
        rejected = batch.orders.len() - confirmed,
        first.order.id = batch.orders.first().map(|order| order.id.0),
        last.order.id = batch.orders.last().map(|order| order.id.0),
        "orders settled"
    );
}
