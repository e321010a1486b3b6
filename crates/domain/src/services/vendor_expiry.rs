//! Enforces a vendor's setting `max_age`: a vendor whose numbers are too old is not sold from.
//!
//! Each vendor stock row has a mark, so that settlement reads no rows other than those that it locks, and each chunk of
//! products is consistent on its own. Applying a report sets the marks of the rows that it changes; this use case sets the
//! others, also when the time passes without a report. A product whose rows another transaction holds does not delay other
//! products: it is left out, and marked by the next call.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::stock_locks::{Locking, MAX_CHUNK, MAX_LOCK_WAIT};
use crate::identifiers::{ProductId, VendorId};
use crate::ports::{Clock, LockedStock, Notifier, Store, StoreError, Topic};
use crate::retry;
use crate::stock::{ProductStock, StockChange};

/// Marks vendor stock rows as expired, and removes the marks.
#[derive(Clone)]
pub struct VendorExpiry {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    notifier: Arc<dyn Notifier>,
}

/// The result of one comparison with `max_age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enforced {
    /// Whether the vendor's numbers are expired. False without a `max_age`, before the first report and for a vendor that is
    /// not configured.
    pub is_expired: bool,
    /// Whether all of the vendor's stock rows are marked accordingly. False while other transactions hold some of them: call
    /// again.
    pub is_complete: bool,
}

/// The result of marking one chunk.
struct MarkedChunk {
    is_expired: bool,
    /// Number of products that were marked.
    marked: usize,
    /// Number of products that other transactions hold.
    held: usize,
    /// The last product of a full chunk; `None` if there are no more products to mark.
    last: Option<ProductId>,
}

impl VendorExpiry {
    /// Creates the use case. Listeners of `notifier` are notified when stock changes.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, notifier: Arc<dyn Notifier>) -> Self {
        Self {
            store,
            clock,
            notifier,
        }
    }

    /// Compares the age of the vendor's numbers with `max_age`, by the store's clock, and marks its stock rows accordingly.
    ///
    /// # Errors
    /// [`StoreError`]. Each chunk of products that was written before the error is consistent; another call marks the rest.
    pub async fn enforce(
        &self,
        vendor_id: &VendorId,
        max_age: Option<Duration>,
    ) -> Result<Enforced, StoreError> {
        let mut after = None;
        let (mut has_changed, mut is_complete) = (false, true);
        let is_expired = loop {
            let last = &after;
            let mut locking = Locking::Wait;
            let marked = retry::on_conflict(&self.clock, || {
                self.mark_chunk(vendor_id, max_age, last.clone(), locking.next())
            })
            .await?;
            let Some(chunk) = marked else {
                return Ok(Enforced {
                    is_expired: false,
                    is_complete: true,
                });
            };
            is_complete &= chunk.held == 0;
            if chunk.marked > 0 {
                has_changed = true;
                self.notifier.notify(Topic::Changes);
            }
            if chunk.last.is_none() {
                break chunk.is_expired;
            }
            after = chunk.last;
        };
        if has_changed && is_expired {
            let max_age_ms = max_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            warn!(
                vendor.id = %vendor_id,
                vendor.max_age_ms = max_age_ms,
                "the vendor's numbers are older than max_age; its stock is not sold until a newer report is applied"
            );
        } else if has_changed {
            info!(vendor.id = %vendor_id, "the vendor's numbers are within max_age again; its stock is sold");
        }
        Ok(Enforced {
            is_expired,
            is_complete,
        })
    }

    /// Marks the next products; `None` if the vendor is not configured.
    async fn mark_chunk(
        &self,
        vendor_id: &VendorId,
        max_age: Option<Duration>,
        after: Option<ProductId>,
        locking: Locking,
    ) -> Result<Option<MarkedChunk>, StoreError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = work.lock_vendor(vendor_id).await? else {
            return Ok(None);
        };
        let now = work.store_time().await?;
        let is_expired = max_age.is_some_and(|max| locked.history.is_older_than(max, now));
        let limit = u32::try_from(MAX_CHUNK).unwrap_or(u32::MAX);
        let products = work
            .find_by_expiry(vendor_id, !is_expired, after, limit)
            .await?;
        let LockedStock { locked, held } = if products.is_empty() {
            LockedStock::default()
        } else {
            locking.lock(work.as_mut(), &products).await?
        };
        let changes: Vec<StockChange> = locked
            .into_iter()
            .filter_map(|product| mark(product, vendor_id, is_expired))
            .collect();
        if !changes.is_empty() {
            work.save_stock(&changes).await?;
            work.commit().await?;
        }
        let is_full = products.len() >= MAX_CHUNK;
        Ok(Some(MarkedChunk {
            is_expired,
            marked: changes.len(),
            held: held.len(),
            last: products.last().filter(|_| is_full).cloned(),
        }))
    }
}

/// Sets the mark; `None` if the vendor has no stock row of the product.
fn mark(mut product: ProductStock, vendor_id: &VendorId, is_expired: bool) -> Option<StockChange> {
    let row = product.vendor_mut(vendor_id)?;
    row.is_expired = is_expired;
    let row = row.clone();
    Some(StockChange {
        quantity: product.quantity(),
        product_id: product.product_id,
        vendors: vec![row],
    })
}
