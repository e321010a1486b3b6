//! Settlement of a batch of orders from the queue.

mod held;
mod log;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thiserror::Error;
use tracing::{debug, error, warn};

use held::Held;
use log::{log_delayed, log_settled};

use super::held_rows::{HeldRows, MAX_BATCH_WAIT, Next, Row};
use crate::allocation::AllocationPolicy;
use crate::identifiers::OrderId;
use crate::ports::{
    Clock, NoopNotifier, NoopObserver, NoopTracer, Notifier, Observer, Store, StoreError, Tracer,
    UnitOfWork,
};
use crate::retry::{self, AsStoreError};
use crate::settlement::PolicyViolation;
use crate::timestamp::Timestamp;
use crate::trace::SpanContext;

/// Default of the maximum time for which a rejection is delayed while a configured vendor was never tried.
const FIRST_SYNC_GRACE: Duration = Duration::from_secs(30);

/// Maximum delay before a delayed order is settled again. The end of a vendor's first sync usually ends the delay; if both
/// happen at the same time, the order may have missed it.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The reason why a batch was not settled. Its orders are unchanged.
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
    /// Whether the same batch may be settled later without any other change.
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
    tracer: Arc<dyn Tracer>,
}

/// The span that published each traced order of a batch.
pub type Traces = HashMap<OrderId, SpanContext>;

impl SettleOrders {
    /// Creates the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, policy: AllocationPolicy) -> Self {
        Self {
            store,
            clock,
            policy,
            first_sync_grace: FIRST_SYNC_GRACE,
            started: OnceLock::new(),
            held_rows: HeldRows::default(),
            observer: Arc::new(NoopObserver),
            notifier: Arc::new(NoopNotifier),
            tracer: Arc::new(NoopTracer),
        }
    }

    /// Sets the maximum time for which rejections are delayed while a configured vendor was never tried (default: 30 s).
    #[must_use]
    pub fn with_first_sync_grace(mut self, grace: Duration) -> Self {
        self.first_sync_grace = grace;
        self
    }

    /// Reports settled orders to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Notifies listeners of settled orders through `notifier`.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Records the spans of traced orders with `tracer`.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Like [`settle_traced`](Self::settle_traced), without traces.
    ///
    /// # Errors
    /// Those of [`settle_traced`](Self::settle_traced).
    pub async fn settle(&self, order_ids: &[OrderId]) -> Result<(), SettleError> {
        self.settle_traced(order_ids, &Traces::new()).await
    }

    /// Settles those of the orders that are still `PENDING`: first, in one transaction, those whose rows are not locked by
    /// others, then the rest, product by product, with short waits. Orders whose rows stay locked are postponed to a later
    /// attempt. Orders that would be rejected while a configured vendor was never tried are postponed too: they stay
    /// `PENDING` until the vendor's first sync ends, at most for the grace. When a transaction fails permanently, its orders
    /// are halved until each failing order is alone; it gets a dead letter in the store, and the others are settled. After
    /// `Ok` every delivery of the batch can be acknowledged.
    ///
    /// # Errors
    /// A [`SettleError`]: settle the same batch again later. Orders that were settled before the error stay settled.
    pub async fn settle_traced(
        &self,
        order_ids: &[OrderId],
        traces: &Traces,
    ) -> Result<(), SettleError> {
        let mut parts = vec![order_ids.to_vec()];
        let mut remaining = MAX_BATCH_WAIT;
        let mut postponed = BTreeMap::new();
        while let Some(part) = parts.pop() {
            match self.attempt(&part, traces, None).await {
                Ok(held) => {
                    for (row, held) in held.into_groups() {
                        self.settle_held(
                            row,
                            held,
                            traces,
                            &mut remaining,
                            &mut parts,
                            &mut postponed,
                        )
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

    /// Settles orders of one row that another transaction held in the first attempt, with a bounded wait for the row.
    async fn settle_held(
        &self,
        row: Option<Row>,
        order_ids: Vec<OrderId>,
        traces: &Traces,
        remaining: &mut Duration,
        parts: &mut Vec<Vec<OrderId>>,
        postponed: &mut BTreeMap<Duration, Vec<OrderId>>,
    ) -> Result<(), SettleError> {
        let Some(first) = order_ids.first() else {
            return Ok(());
        };
        let row = row.unwrap_or(Row::Order(*first));
        let started = self.clock.now();
        let wait = match self.held_rows.next(&row, started, *remaining) {
            Next::Wait(wait) => wait,
            Next::Postpone(delay) => {
                postponed.entry(delay).or_default().extend(order_ids);
                return Ok(());
            }
        };
        let attempt = self.attempt(&order_ids, traces, Some(wait)).await;
        let now = self.clock.now();
        *remaining = remaining.saturating_sub(now.since(started));
        match attempt {
            // Orders of products that were created after the other rows had been locked.
            Ok(held) => {
                let groups = held.into_groups().map(|(_, order_ids)| order_ids);
                parts.extend(groups.filter(|order_ids| !order_ids.is_empty()));
            }
            // Whether the row is locked or the store is unavailable shows when the orders are postponed.
            Err(error) if error.is_retryable() => {
                let (attempts, delay) = self.held_rows.record_timeout(row.clone(), now);
                warn!(
                    ?row,
                    orders = order_ids.len(),
                    first.order.id = first.0,
                    attempts,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    %error,
                    "a row stays locked; orders that need it are postponed"
                );
                postponed.entry(delay).or_default().extend(order_ids);
            }
            Err(error) => self.split(&order_ids, &error, parts).await?,
        }
        Ok(())
    }

    /// Requeues orders so that they are not published before `delay` has passed.
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

    /// Halves orders whose transaction failed permanently; a single order is dead-lettered.
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

    /// Records the reason why orders are given up. They stay `PENDING`: the sweeper requeues them, at growing intervals.
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
            // If the store cannot record the dead letter, the whole batch fails and is redelivered, so no order is lost.
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

    /// Settles orders in one transaction and returns those whose rows other transactions hold. With `wait`, the transaction
    /// waits for each row at most for that time, and leaves out only orders of products that were unknown when stock was
    /// locked.
    async fn attempt(
        &self,
        order_ids: &[OrderId],
        traces: &Traces,
        wait: Option<Duration>,
    ) -> Result<Held, SettleError> {
        let started = self.clock.now();
        let (batch, mut held) = match wait {
            None => {
                let settle = || self.settle_in_one(order_ids, traces, None);
                retry::on_conflict(&self.clock, settle).await?
            }
            // The wait must not be repeated.
            Some(_) => self.settle_in_one(order_ids, traces, wait).await?,
        };
        if let Some((delayed, delay)) = held.delayed.take() {
            log_delayed(&delayed, delay);
            self.observer.postponed(delayed.len());
        }
        if batch.orders.is_empty() {
            return Ok(held);
        }
        let rows = batch.orders.iter();
        self.held_rows.record_free(
            rows.flat_map(|order| [Row::Stock(order.product_id.clone()), Row::Order(order.id)]),
        );
        self.observer
            .settled(&batch, self.clock.now().since(started));
        log_settled(&batch);
        Ok(held)
    }

    /// Returns when this process began to settle, by the store's clock. The first batch reads it, whatever its outcome: the
    /// grace must not begin with the first rejection.
    async fn started(&self, work: &mut dyn UnitOfWork) -> Result<Timestamp, StoreError> {
        if let Some(started) = self.started.get() {
            return Ok(*started);
        }
        let now = work.store_time().await?;
        Ok(*self.started.get_or_init(|| now))
    }
}
