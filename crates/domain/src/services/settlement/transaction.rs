//! One transaction that settles a batch.

use std::collections::HashSet;
use std::time::Duration;

use super::held::{Held, missing};
use super::{MAX_DELAY, SettleError, SettleOrders, Traces};
use crate::identifiers::{OrderId, ProductId};
use crate::ports::{LockedBatch, LockedStock, StoreError, Topic, UnitOfWork};
use crate::services::stage_trace::{SETTLE, StageTrace, TracedOrder, end_step};
use crate::settlement::{PendingOrder, SettledBatch, products_of, settle};
use crate::trace::SpanKind;

impl SettleOrders {
    /// Settles orders in one transaction. With `wait`, the transaction waits for each row at most for that time.
    pub(super) async fn settle_in_one(
        &self,
        order_ids: &[OrderId],
        traces: &Traces,
        wait: Option<Duration>,
    ) -> Result<(SettledBatch, Held), SettleError> {
        let is_traced = !traces.is_empty();
        let mut trace = StageTrace::begin(&*self.tracer, &*self.clock, SETTLE, is_traced);
        let mut work = self.store.begin().await?;
        let mut held = Held::default();
        let LockedBatch { mut pending, stock } = match wait {
            None => {
                let locked = work.try_lock_batch(order_ids).await?;
                held.orders = missing(order_ids, &locked.pending);
                locked
            }
            Some(wait) => {
                work.limit_lock_waits(wait).await?;
                lock_batch(work.as_mut(), order_ids).await?
            }
        };
        if pending.is_empty() {
            return Ok((SettledBatch::default(), held));
        }
        end_step(&mut trace, "lock orders and stock", SpanKind::Store);
        let started = self.started(work.as_mut()).await?;
        let mut unknown = take_unknown(&mut pending, &stock);
        held.take_products(stock.held, &mut pending);
        let mut batch = settle(pending, stock.locked, self.policy)?;
        if !unknown.is_empty() || batch.has_rejections() {
            let first_syncs = work.first_syncs().await?;
            let delay = first_syncs.rejections_wait(started, self.first_sync_grace);
            let mut created = LockedStock::default();
            if delay.is_none() && !unknown.is_empty() {
                // A first report may have created products since. This is out of the lock order, so it must not wait.
                created = work.try_lock_stock(&products_of(&unknown)).await?;
                held.take_products(created.held, &mut unknown);
            }
            batch.merge(settle(unknown, created.locked, self.policy)?);
            if let Some(delay) = delay {
                let delayed = batch.take_rejections();
                let delay = delay.min(MAX_DELAY);
                work.postpone(&delayed, delay).await?;
                held.delayed = Some((delayed, delay));
            }
        }
        if batch.orders.is_empty() && held.delayed.is_none() {
            return Ok((batch, held));
        }
        end_step(&mut trace, "decide", SpanKind::Internal);
        work.save_batch(&batch).await?;
        end_step(&mut trace, "save settlement", SpanKind::Store);
        let notifies = !batch.orders.is_empty() && !work.notify_on_commit(Topic::Changes);
        work.commit().await?;
        if notifies {
            self.notifier.notify(Topic::Changes);
        }
        if let Some(mut trace) = trace {
            trace.end_step("commit settlement", SpanKind::Store);
            let settled = batch.orders.iter().filter_map(|order| {
                let parent = traces.get(&order.id)?;
                Some(TracedOrder::new(&*self.tracer, order.id, *parent))
            });
            trace.record(batch.orders.len(), &settled.collect::<Vec<_>>());
        }
        Ok((batch, held))
    }
}

/// Locks a batch, and waits for its rows within the limit of the transaction.
async fn lock_batch(
    work: &mut dyn UnitOfWork,
    order_ids: &[OrderId],
) -> Result<LockedBatch, StoreError> {
    let pending = work.lock_pending(order_ids).await?;
    if pending.is_empty() {
        return Ok(LockedBatch::default());
    }
    let locked = work.lock_stock(&products_of(&pending)).await?;
    let held = Vec::new();
    let stock = LockedStock { locked, held };
    Ok(LockedBatch { pending, stock })
}

/// Moves the orders of products without a stock row out of `pending`.
fn take_unknown(pending: &mut Vec<PendingOrder>, stock: &LockedStock) -> Vec<PendingOrder> {
    let locked = stock.locked.iter().map(|it| &it.product_id);
    let known: HashSet<&ProductId> = locked.chain(&stock.held).collect();
    let is_unknown = |order: &mut PendingOrder| !known.contains(&order.request.product_id);
    pending.extract_if(.., is_unknown).collect()
}
