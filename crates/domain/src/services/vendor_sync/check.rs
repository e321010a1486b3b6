//! Checks a report without a write: what a sync would do with it, and its effect on open orders.
//!
//! The decision is that of a sync ([`Plan`]). The stock rows and orders are read without a lock, so the numbers are those of
//! the moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::SyncError;
use super::plan::Plan;
use crate::evidence::{Exchange, Proof, assess};
use crate::guard::Effect;
use crate::identifiers::{ProductId, VendorId};
use crate::order::{Order, OrderStatus};
use crate::ports::{
    FetchedReport, OrderFilter, OrderQueries, StockQueries, StoreError, StoreProbe, StoredPause,
    SyncOutcome, SyncQueries, VendorFeed, VendorSyncState,
};
use crate::preview::{OpenOrders, Preview, Previewer, confirmable};
use crate::report_history::ReportHistory;
use crate::timestamp::Timestamp;

/// Number of stock rows that are read at a time.
const ROWS_PER_PAGE: u32 = 4_096;

/// Number of orders that are read at a time.
const ORDERS_PER_PAGE: u32 = 1_000;

/// Maximum number of `CONFIRMED` orders that are read.
const MAX_CONFIRMED: usize = 100_000;

/// Maximum number of `PENDING` orders that are read; the stock of their products is read with one query each.
const MAX_PENDING: usize = 10_000;

/// Checks reports.
#[derive(Clone)]
pub struct VendorCheck {
    sync: Arc<dyn SyncQueries>,
    probe: Arc<dyn StoreProbe>,
    stock: Arc<dyn StockQueries>,
    orders: Arc<dyn OrderQueries>,
}

/// The `PENDING` orders of all vendors, at the time of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingOrders {
    /// Number of orders.
    pub orders: u64,
    /// Number of orders that the stock covers now.
    pub covered_now: u64,
    /// Number of orders that the stock would cover after the report. Shipped units that the report would be the first to
    /// include still count as in flight, so it can be higher.
    pub covered_after: u64,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedReport {
    /// Whether the vendor is configured in the store. If not, it has no history of reports there.
    pub is_configured: bool,
    /// The outcome that a sync would have now: `APPLIED`, `STALE` or `QUARANTINED`.
    pub outcome: SyncOutcome,
    /// The reason if the report would not be applied.
    pub reason: Option<String>,
    /// The as-of that orders the report among the vendor's reports.
    pub ordered_as_of: Timestamp,
    /// The proof of the report, after the vendor's lag is subtracted.
    pub proof: Proof,
    /// Whether the report is older than the vendor's `max_age` allows, so that its units would not be sold.
    pub is_expired: bool,
    /// The verdict of the vendor's guard, on one line; `None` if no guard applies.
    pub guard: Option<String>,
    /// The effect on the vendor's stock, if the report is applied.
    pub preview: Preview,
    /// The effect on `PENDING` orders, if the report is applied.
    pub pending: PendingOrders,
    /// Whether all open orders were read; there may be too many.
    pub are_orders_complete: bool,
}

impl VendorCheck {
    /// Creates the use case. It does not write.
    #[must_use]
    pub fn new(
        sync: Arc<dyn SyncQueries>,
        probe: Arc<dyn StoreProbe>,
        stock: Arc<dyn StockQueries>,
        orders: Arc<dyn OrderQueries>,
    ) -> Self {
        Self {
            sync,
            probe,
            stock,
            orders,
        }
    }

    /// Returns the store's time, as the time at which the report is requested.
    ///
    /// # Errors
    /// [`SyncError::Paused`] if the vendor demanded with a `Retry-After` not to be requested yet; [`SyncError::Store`].
    pub async fn request_time(&self, vendor_id: &VendorId) -> Result<Timestamp, SyncError> {
        let pauses = self.probe.find_pauses(std::slice::from_ref(vendor_id));
        if let Some(StoredPause { pause, now, .. }) = pauses.await?.into_iter().next()
            && let Some(until) = pause.demanded_until(now)
        {
            return Err(SyncError::Paused {
                vendor_id: vendor_id.clone(),
                until,
                wait: until.since(now),
            });
        }
        Ok(self.probe.store_time().await?)
    }

    /// Checks a report that was requested at `requested_at`, directly after it was received.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check(
        &self,
        feed: &dyn VendorFeed,
        fetched: &FetchedReport,
        requested_at: Timestamp,
    ) -> Result<CheckedReport, StoreError> {
        let (vendor_id, report) = (feed.vendor_id(), &fetched.report);
        let exchange = Exchange {
            requested_at,
            received_at: self.probe.store_time().await?,
        };
        let assessment = assess(report.as_of(), &fetched.times, exchange);
        let stored = self.sync.find_sync_state(vendor_id).await?;
        let is_configured = stored.is_some();
        let state = stored.unwrap_or_else(|| never_configured(exchange.received_at));
        let mut plan = Plan::of_incoming(feed, fetched, &assessment, state);
        let (open_orders, are_orders_complete) = self.open_orders(vendor_id).await?;
        let preview = self.preview(&plan, &open_orders).await?;
        let pending = self.pending(&plan, &open_orders, &preview).await?;
        let counts = &preview.counts;
        let affected = counts.added + counts.changed + counts.zeroed + counts.unchanged;
        let guard = plan.guard.map(|guard| {
            let effect = Effect {
                units_before: preview.units.before,
                units_lost: preview.units.lost,
                products_before: preview.units.products_before,
                flips: counts.zeroed,
                changed: counts.added + counts.changed + counts.zeroed,
            };
            guard.check(report.kind(), plan.received(), &effect)
        });
        if let Some(verdict) = guard.filter(|verdict| verdict.is_held()) {
            let released = match plan.earlier() {
                Some(_) => ", unless it agrees with the report in quarantine",
                None => "",
            };
            plan.hold(format!("{verdict}{released}"));
        }
        let (outcome, reason) = plan.outcome(affected > 0);
        Ok(CheckedReport {
            is_configured,
            outcome,
            reason,
            ordered_as_of: plan.order.as_of,
            proof: plan.proof,
            is_expired: plan.is_expired,
            guard: guard.map(|verdict| verdict.to_string()),
            preview,
            pending,
            are_orders_complete,
        })
    }

    /// Compares the report with all stock rows of its vendor.
    async fn preview(
        &self,
        plan: &Plan<'_>,
        open_orders: &BTreeMap<ProductId, OpenOrders>,
    ) -> Result<Preview, StoreError> {
        let mut previewer = Previewer::new(plan.comparison(), open_orders);
        let mut after = None;
        loop {
            let page = self
                .sync
                .list_reported_stock(plan.vendor_id, after, ROWS_PER_PAGE);
            let rows = page.await?;
            previewer.add_rows(&rows);
            if rows.len() < ROWS_PER_PAGE as usize {
                return Ok(previewer.finish());
            }
            after = rows.into_iter().next_back().map(|row| row.product_id);
        }
    }

    /// Returns the open orders by product, and whether they are all.
    async fn open_orders(
        &self,
        vendor_id: &VendorId,
    ) -> Result<(BTreeMap<ProductId, OpenOrders>, bool), StoreError> {
        let mut by_product: BTreeMap<ProductId, OpenOrders> = BTreeMap::new();
        let (confirmed, has_all_confirmed) =
            self.orders(OrderStatus::Confirmed, MAX_CONFIRMED).await?;
        for order in confirmed {
            let allocations = order.state.allocations().iter();
            let units: u64 = allocations
                .filter(|allocation| allocation.vendor_id == *vendor_id && !allocation.shipped)
                .map(|allocation| u64::from(allocation.quantity.units()))
                .sum();
            if units > 0 {
                by_product.entry(order.product_id).or_default().unshipped += units;
            }
        }
        let (pending, has_all_pending) = self.orders(OrderStatus::Pending, MAX_PENDING).await?;
        for order in pending.into_iter().rev() {
            let open = by_product.entry(order.product_id).or_default();
            open.pending.push(order.quantity);
        }
        Ok((by_product, has_all_confirmed && has_all_pending))
    }

    /// Returns the newest orders with a status, newest first, and whether they are all.
    async fn orders(
        &self,
        status: OrderStatus,
        at_most: usize,
    ) -> Result<(Vec<Order>, bool), StoreError> {
        let filter = OrderFilter {
            status: Some(status),
            product_id: None,
        };
        let mut orders: Vec<Order> = Vec::new();
        loop {
            let before = orders.last().map(|order| order.id);
            let page = self.orders.list_orders(&filter, before, ORDERS_PER_PAGE);
            let page = page.await?;
            let is_last = page.len() < ORDERS_PER_PAGE as usize;
            orders.extend(page);
            if is_last || orders.len() >= at_most {
                return Ok((orders, is_last));
            }
        }
    }

    /// Counts the `PENDING` orders that stock covers before and after the report.
    async fn pending(
        &self,
        plan: &Plan<'_>,
        open_orders: &BTreeMap<ProductId, OpenOrders>,
        preview: &Preview,
    ) -> Result<PendingOrders, StoreError> {
        let mut counts = PendingOrders::default();
        for (product_id, open) in open_orders {
            if open.pending.is_empty() {
                continue;
            }
            let detail = self.stock.find_stock(product_id).await?;
            let now = detail.as_ref().map_or(0, |detail| detail.level.quantity);
            let row = detail.and_then(|detail| {
                let mut rows = detail.vendors.into_iter();
                rows.find(|row| row.vendor_id == *plan.vendor_id)
            });
            let (available, in_flight) = row.map_or((0, 0), |row| (row.available, row.in_flight));
            let after = match preview.pending.get(product_id) {
                Some(reported) if !plan.is_expired => reported.saturating_sub(in_flight),
                _ => 0,
            };
            counts.orders += open.pending.len() as u64;
            counts.covered_now += confirmable(now, &open.pending);
            let sellable = now.saturating_sub(u64::from(available)) + u64::from(after);
            counts.covered_after += confirmable(sellable, &open.pending);
        }
        Ok(counts)
    }
}

/// The state of a vendor without a report.
fn never_configured(now: Timestamp) -> VendorSyncState {
    VendorSyncState {
        now,
        history: ReportHistory::default(),
        configured_at: None,
        has_stock: false,
        has_future_shipments: false,
        has_unmarked_shipments: false,
        has_quarantined_lines: false,
    }
}

#[cfg(test)]
mod tests;
