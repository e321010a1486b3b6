//! Settling a batch from the queue.

mod held;
mod log;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, warn};

use held::{Held, missing};
use log::{log_settled, log_waiting};

use super::held_rows::{HeldRows, LONGEST_WAIT, Next, Row};
use crate::allocation::AllocationPolicy;
use crate::identifiers::{OrderId, ProductId};
use crate::ports::{
    Clock, LockedStock, Notifier, Observer, Store, StoreError, Topic, Unannounced, UnitOfWork,
    Unobserved,
};
use crate::retry::{self, AsStoreError};
use crate::settlement::{PendingOrder, PolicyViolation, SettledBatch, settle};
use crate::timestamp::Timestamp;

/// How long a rejection waits at most while a configured vendor was never tried, unless set otherwise.
const FIRST_SYNC_GRACE: Duration = Duration::from_secs(30);

/// An order that waits is settled again after this time at the latest. The end of a vendor's first sync usually ends the
/// wait; if both happen at the same moment, the order may have missed it.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Why a batch was not settled. It is unchanged.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The allocation policy broke its contract.
    #[error(transparent)]
    Policy(#[from] PolicyViolation),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SettleError {
    /// Whether the same batch may be settled later with no other change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Policy(_) => false,
            Self::Store(error) => error.is_retryable(),
        }
    }
}

impl AsStoreError for SettleError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Policy(_) => None,
        }
    }
}

/// Settles orders.
pub struct SettleOrders {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    policy: AllocationPolicy,
    first_sync_grace: Duration,
    /// When the first batch was settled, by the store's clock.
    started: OnceLock<Timestamp>,
    held_rows: HeldRows,
    observer: Arc<dyn Observer>,
    notifier: Arc<dyn Notifier>,
}

impl SettleOrders {
    /// Wires the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, policy: AllocationPolicy) -> Self {
        Self {
            store,
            clock,
            policy,
            first_sync_grace: FIRST_SYNC_GRACE,
            started: OnceLock::new(),
            held_rows: HeldRows::default(),
            observer: Arc::new(Unobserved),
            notifier: Arc::new(Unannounced),
        }
    }

    /// Lets a rejection wait at most for this time, instead of 30 s, while a configured vendor was never tried.
    #[must_use]
    pub fn with_first_sync_grace(mut self, grace: Duration) -> Self {
        self.first_sync_grace = grace;
        self
    }

    /// Tells somebody what is settled.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Wakes those who wait for orders to be settled.
    #[must_use]
    pub fn announced_by(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Settles those of the orders that are still `PENDING`: in one transaction those whose rows nobody else has locked, then
    /// the others, product by product, with short waits. Orders whose rows stay locked are put back into the outbox for a
    /// later attempt, and so are orders that would be rejected while a configured vendor was never tried: they stay `PENDING`
    /// until the vendor's first sync ends, at most for the grace. When a transaction fails in a way that a retry does not
    /// cure, its orders are halved until the culprits are alone, each gets a dead letter in the store, and their neighbours
    /// are settled. After `Ok` every delivery
    /// of the batch can be acknowledged.
    ///
    /// # Errors
    /// A [`SettleError`]: settle the same batch again later. What was settled before stays settled.
    pub async fn settle(&self, order_ids: &[OrderId]) -> Result<(), SettleError> {
        let mut parts = vec![order_ids.to_vec()];
        let mut left = LONGEST_WAIT;
        let mut postponed = BTreeMap::new();
        while let Some(part) = parts.pop() {
            match self.attempt(&part, None).await {
                Ok(held) => {
                    for (row, held) in held.into_groups() {
                        self.settle_held(row, held, &mut left, &mut parts, &mut postponed)
                            .await?;
                    }
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => self.split(&part, &error, &mut parts).await?,
            }
        }
        for (delay, order_ids) in postponed {
            self.postpone(&order_ids, delay).await?;
        }
        Ok(())
    }

    /// Settles orders of one row that another transaction held a moment ago, with a bounded wait for it.
    async fn settle_held(
        &self,
        row: Option<Row>,
        order_ids: Vec<OrderId>,
        left: &mut Duration,
        parts: &mut Vec<Vec<OrderId>>,
        postponed: &mut BTreeMap<Duration, Vec<OrderId>>,
    ) -> Result<(), SettleError> {
        let Some(first) = order_ids.first() else {
            return Ok(());
        };
        let row = row.unwrap_or(Row::Order(*first));
        let started = self.clock.now();
        let wait = match self.held_rows.next(&row, started, *left) {
            Next::Wait(wait) => wait,
            Next::Postpone(delay) => {
                postponed.entry(delay).or_default().extend(order_ids);
                return Ok(());
            }
        };
        let attempt = self.attempt(&order_ids, Some(wait)).await;
        let now = self.clock.now();
        *left = left.saturating_sub(now.since(started));
        match attempt {
            // Of products that were created after the other rows had been locked.
            Ok(held) => {
                let left = held.into_groups().map(|(_, order_ids)| order_ids);
                parts.extend(left.filter(|order_ids| !order_ids.is_empty()));
            }
            // Whether the row is locked or the store is away shows when the orders are put back.
            Err(error) if error.is_retryable() => {
                let (attempts, delay) = self.held_rows.waited_in_vain(row.clone(), now);
                warn!(
                    ?row,
                    orders = order_ids.len(),
                    first.order.id = first.0,
                    attempts,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    %error,
                    "a row stays locked; orders that need it go back into the outbox"
                );
                postponed.entry(delay).or_default().extend(order_ids);
            }
            Err(error) => self.split(&order_ids, &error, parts).await?,
        }
        Ok(())
    }

    /// Puts orders back into the outbox, not to be published before `delay` has passed.
    async fn postpone(&self, order_ids: &[OrderId], delay: Duration) -> Result<(), SettleError> {
        let postponed = retry::on_conflict(&self.clock, || async move {
            let mut work = self.store.begin().await?;
            let postponed = work.postpone(order_ids, delay).await?;
            if !postponed.is_empty() {
                work.commit().await?;
            }
            Ok::<_, StoreError>(postponed)
        })
        .await;
        match postponed {
            Ok(postponed) if postponed.is_empty() => Ok(()),
            Ok(postponed) => {
                debug!(
                    orders = postponed.len(),
                    first.order.id = postponed.first().map(|id| id.0),
                    last.order.id = postponed.last().map(|id| id.0),
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "orders postponed"
                );
                self.observer.postponed(postponed.len());
                Ok(())
            }
            Err(error) if error.is_retryable() => Err(error.into()),
            Err(error) => self.dead_letter(order_ids, &error.into()).await,
        }
    }

    /// Halves orders whose transaction failed for good; a single one is dead-lettered.
    async fn split(
        &self,
        order_ids: &[OrderId],
        error: &SettleError,
        parts: &mut Vec<Vec<OrderId>>,
    ) -> Result<(), SettleError> {
        if order_ids.len() <= 1 {
            return self.dead_letter(order_ids, error).await;
        }
        let (older, newer) = order_ids.split_at(order_ids.len() / 2);
        parts.push(newer.to_vec());
        parts.push(older.to_vec());
        Ok(())
    }

    /// Records why orders are given up. They stay `PENDING`: the sweeper tries them again, at growing intervals.
    async fn dead_letter(
        &self,
        order_ids: &[OrderId],
        cause: &SettleError,
    ) -> Result<(), SettleError> {
        let reason = cause.to_string();
        for order_id in order_ids {
            error!(
                order.id = order_id.0,
                error = reason,
                "order cannot be settled and is dead-lettered"
            );
            // A store that cannot record this cannot be relied on for anything: the batch is held, and nothing is lost.
            if retry::on_conflict(&self.clock, || self.record(*order_id, &reason)).await? {
                self.observer.dead_lettered(1);
            }
        }
        Ok(())
    }

    async fn record(&self, order_id: OrderId, reason: &str) -> Result<bool, StoreError> {
        let mut work = self.store.begin().await?;
        let is_new = work.record_dead_letter(order_id, reason).await?;
        work.commit().await?;
        Ok(is_new)
    }

    /// Settles orders in one transaction and returns those whose rows other transactions hold. With `wait` each row is
    /// waited for at most for that time, and only those of products are left that were unknown when stock was locked.
    async fn attempt(
        &self,
        order_ids: &[OrderId],
        wait: Option<Duration>,
    ) -> Result<Held, SettleError> {
        let started = self.clock.now();
        let (batch, mut held) = match wait {
            None => retry::on_conflict(&self.clock, || self.settle_in_one(order_ids, None)).await?,
            // The wait is not to be repeated.
            Some(_) => self.settle_in_one(order_ids, wait).await?,
        };
        if let Some((waiting, delay)) = held.waiting.take() {
            log_waiting(&waiting, delay);
            self.observer.postponed(waiting.len());
        }
        if batch.orders.is_empty() {
            return Ok(held);
        }
        let rows = batch.orders.iter();
        self.held_rows.free(
            rows.flat_map(|order| [Row::Stock(order.product_id.clone()), Row::Order(order.id)]),
        );
        self.notifier.notify(Topic::Changes);
        self.observer
            .settled(&batch, self.clock.now().since(started));
        log_settled(&batch);
        Ok(held)
    }

    /// When this process began to settle, by the store's clock. Read by the first batch, whatever its outcome: the grace must
    /// not begin with the first rejection.
    async fn started(&self, work: &mut dyn UnitOfWork) -> Result<Timestamp, StoreError> {
        if let Some(started) = self.started.get() {
            return Ok(*started);
        }
        let now = work.store_time().await?;
        Ok(*self.started.get_or_init(|| now))
    }

    async fn settle_in_one(
        &self,
        order_ids: &[OrderId],
        wait: Option<Duration>,
    ) -> Result<(SettledBatch, Held), SettleError> {
        let mut work = self.store.begin().await?;
        let mut held = Held::default();
        let mut pending = match wait {
            None => {
                let pending = work.try_lock_pending(order_ids).await?;
                held.orders = missing(order_ids, &pending);
                pending
            }
            Some(wait) => {
                work.limit_lock_waits(wait).await?;
                work.lock_pending(order_ids).await?
            }
        };
        if pending.is_empty() {
            return Ok((SettledBatch::default(), held));
        }
        let started = self.started(work.as_mut()).await?;
        let product_ids = products_of(&pending);
        let stock = match wait {
            None => work.try_lock_stock(&product_ids).await?,
            Some(_) => LockedStock {
                locked: work.lock_stock(&product_ids).await?,
                held: Vec::new(),
            },
        };
        let mut unknown = if stock.locked.len() + stock.held.len() < product_ids.len() {
            take_unknown(&mut pending, &stock)
        } else {
            Vec::new()
        };
        held.take_products(stock.held, &mut pending);
        let mut batch = settle(pending, stock.locked, self.policy)?;
        if !unknown.is_empty() || batch.has_rejections() {
            let first_syncs = work.first_syncs().await?;
            let delay = first_syncs.rejections_wait(started, self.first_sync_grace);
            let mut created = LockedStock::default();
            if delay.is_none() && !unknown.is_empty() {
                // A first report may have created products since. Out of the lock order, so without waiting for anyone.
                created = work.try_lock_stock(&products_of(&unknown)).await?;
                held.take_products(created.held, &mut unknown);
            }
            batch.merge(settle(unknown, created.locked, self.policy)?);
            if let Some(delay) = delay {
                let waiting = batch.take_rejections();
                let delay = delay.min(LONGEST_DELAY);
                work.postpone(&waiting, delay).await?;
                held.waiting = Some((waiting, delay));
            }
        }
        if batch.orders.is_empty() && held.waiting.is_none() {
            return Ok((batch, held));
        }
        if !batch.orders.is_empty() {
            work.save_settled(&batch.orders).await?;
        }
        if !batch.stock.is_empty() {
            work.save_stock(&batch.stock).await?;
        }
        work.commit().await?;
        Ok((batch, held))
    }
}

/// The products of the orders, by id.
fn products_of(orders: &[PendingOrder]) -> Vec<ProductId> {
    let ids = orders.iter().map(|order| &order.request.product_id);
    let mut ids: Vec<&ProductId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().cloned().collect()
}

/// Moves the orders of products without a stock row out of `pending`.
fn take_unknown(pending: &mut Vec<PendingOrder>, stock: &LockedStock) -> Vec<PendingOrder> {
    let locked = stock.locked.iter().map(|it| &it.product_id);
    let known: HashSet<&ProductId> = locked.chain(&stock.held).collect();
    let is_unknown = |order: &mut PendingOrder| !known.contains(&order.request.product_id);
    pending.extract_if(.., is_unknown).collect()
}
