//! Enforcing a vendor's setting `max_age`: a vendor whose numbers are too old is not sold from.
//!
//! Each position has a mark, so that settlement needs no more than the rows that it locks, and each chunk of products is
//! consistent by itself. A report that is applied marks the positions that it changes; the others follow here, as they do
//! when the time passes without a report.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::identifiers::{ProductId, VendorId};
use crate::ports::{Clock, Notifier, Store, StoreError, Topic};
use crate::retry;
use crate::stock::{ProductStock, StockChange};

/// Products that are locked at a time.
const CHUNK: u32 = 1_024;

/// Longest wait for one lock: the chunk is repeated a few times and holds no locks in between.
const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(1);

/// Marks positions as expired, and takes the marks back.
#[derive(Clone)]
pub struct VendorExpiry {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    notifier: Arc<dyn Notifier>,
}

/// A chunk that was marked.
struct MarkedChunk {
    is_expired: bool,
    has_changed: bool,
    /// The last of its products; `None` if no product is left to mark.
    last: Option<ProductId>,
}

impl VendorExpiry {
    /// Wires the use case. Subscribers of `notifier` are woken when stock changes.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, notifier: Arc<dyn Notifier>) -> Self {
        Self {
            store,
            clock,
            notifier,
        }
    }

    /// Compares the age of the vendor's numbers with `max_age`, by the store's clock, and marks all of its positions
    /// accordingly. Returns whether they are expired now, which is never the case without a `max_age` or before the first
    /// applied report. Nothing happens to a vendor that is not configured.
    ///
    /// # Errors
    /// [`StoreError`]. Each chunk of products that was written before is consistent; a repetition marks the rest.
    pub async fn enforce(
        &self,
        vendor_id: &VendorId,
        max_age: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let mut after = None;
        let mut has_changed = false;
        let is_expired = loop {
            let last = &after;
            let marked = retry::on_conflict(&self.clock, || {
                self.mark_chunk(vendor_id, max_age, last.clone())
            })
            .await?;
            let Some(chunk) = marked else {
                return Ok(false);
            };
            if chunk.has_changed {
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
                "the vendor's numbers are older than max_age; it is not sold from until a newer report is applied"
            );
        } else if has_changed {
            info!(vendor.id = %vendor_id, "the vendor's numbers are recent enough again");
        }
        Ok(is_expired)
    }

    /// Marks the next products; `None` if the vendor is not configured.
    async fn mark_chunk(
        &self,
        vendor_id: &VendorId,
        max_age: Option<Duration>,
        after: Option<ProductId>,
    ) -> Result<Option<MarkedChunk>, StoreError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(LONGEST_LOCK_WAIT).await?;
        let Some(locked) = work.lock_vendor(vendor_id).await? else {
            return Ok(None);
        };
        let now = work.store_time().await?;
        let is_expired = max_age.is_some_and(|max| locked.history.is_older_than(max, now));
        let products = work
            .find_by_expiry(vendor_id, !is_expired, after, CHUNK)
            .await?;
        let has_changed = !products.is_empty();
        if has_changed {
            let stock = work.lock_stock(&products).await?;
            let changes: Vec<StockChange> = stock
                .into_iter()
                .filter_map(|product| mark(product, vendor_id, is_expired))
                .collect();
            work.save_stock(&changes).await?;
            work.commit().await?;
        }
        let is_full = u32::try_from(products.len()).is_ok_and(|found| found >= CHUNK);
        Ok(Some(MarkedChunk {
            is_expired,
            has_changed,
            last: products.last().filter(|_| is_full).cloned(),
        }))
    }
}

/// `None` if the vendor has no position in the product.
fn mark(mut product: ProductStock, vendor_id: &VendorId, is_expired: bool) -> Option<StockChange> {
    let position = product.vendor_mut(vendor_id)?;
    position.is_expired = is_expired;
    let position = position.clone();
    Some(StockChange {
        quantity: product.quantity(),
        product_id: product.product_id,
        vendors: vec![position],
    })
}
