//! The products that a report must be applied to, in chunks by product id: found outside a transaction, and written inside
//! one.

use std::collections::{BTreeMap, btree_map};

use super::SyncError;
use super::counts::Counted;
use super::plan::Plan;
use crate::comparison::{Merge, Step};
use crate::identifiers::{ProductId, VendorId};
use crate::ports::{LockedStock, StoreError, SyncQueries, UnitOfWork};
use crate::reconciliation::reconcile;
use crate::report::ReportKind;
use crate::services::stock_locks::Locking;

/// Number of chunks' worth of stock rows that are read at a time.
pub(super) const CHUNKS_PER_PAGE: usize = 4;

/// Products that are written in one transaction.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The products, by product id.
    pub(super) product_ids: Vec<ProductId>,
    /// Those of them that the vendor has no stock row of.
    pub(super) new: Vec<ProductId>,
}

impl Chunk {
    /// A chunk of one product that exists.
    pub(super) fn of_existing(product_id: ProductId) -> Self {
        Self {
            product_ids: vec![product_id],
            new: Vec::new(),
        }
    }
}

/// Finds the chunks of one report, from the first product to the last.
pub(super) struct Chunks<'r> {
    queries: &'r dyn SyncQueries,
    vendor_id: &'r VendorId,
    size: usize,
    source: Source<'r>,
}

enum Source<'r> {
    /// No products: the report is not applied.
    None,
    /// The products that differ.
    Full {
        merge: Box<Merge<'r>>,
        after: Option<ProductId>,
    },
    /// All lines. Each is compared with its row in the transaction that writes it, because a delta is not compared with the
    /// vendor's other products.
    Delta(btree_map::Keys<'r, ProductId, u32>),
}

impl<'r> Chunks<'r> {
    /// Begins with the first product; a chunk has at most `size` products.
    pub(super) fn new(queries: &'r dyn SyncQueries, plan: &Plan<'r>, size: usize) -> Self {
        let source = match plan.report.kind() {
            _ if !plan.is_applied() => Source::None,
            ReportKind::Full => Source::Full {
                merge: Box::new(Merge::new(plan.comparison())),
                after: None,
            },
            ReportKind::Delta => Source::Delta(plan.report.quantities().keys()),
        };
        Self {
            queries,
            vendor_id: plan.vendor_id,
            size: size.max(1),
            source,
        }
    }

    /// Returns the next chunk; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, StoreError> {
        let mut chunk = Chunk::default();
        match &mut self.source {
            Source::None => {}
            Source::Delta(lines) => {
                let lines = lines.by_ref().take(self.size);
                chunk.product_ids = lines.cloned().collect();
            }
            Source::Full { merge, after } => {
                while chunk.product_ids.len() < self.size {
                    match merge.step() {
                        Step::Affected(affected) => {
                            if affected.is_new {
                                chunk.new.push(affected.product_id.clone());
                            }
                            chunk.product_ids.push(affected.product_id);
                        }
                        Step::NeedsRows => {
                            let limit = self.size.saturating_mul(CHUNKS_PER_PAGE);
                            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                            let rows = self.queries.list_reported_stock(
                                self.vendor_id,
                                after.clone(),
                                limit,
                            );
                            let rows = rows.await?;
                            let are_last = u32::try_from(rows.len()).is_ok_and(|rows| rows < limit);
                            *after = rows.last().map(|row| row.product_id.clone());
                            merge.add_rows(rows, are_last);
                        }
                        Step::End => break,
                    }
                }
            }
        }
        Ok((!chunk.product_ids.is_empty()).then_some(chunk))
    }
}

/// Repairs the vendor's shipments that are later than the store's clock. Returns whether any shipment was repaired, or the
/// plan repairs the history.
pub(super) async fn repair(work: &mut dyn UnitOfWork, plan: &Plan<'_>) -> Result<bool, StoreError> {
    let are_shipments_repaired =
        plan.state.has_future_shipments && work.repair_shipments(plan.vendor_id).await? > 0;
    Ok(plan.is_repaired || are_shipments_repaired)
}

/// The result of writing a chunk.
#[derive(Debug, Default)]
pub(super) struct WrittenProducts {
    /// Whether the report affects any of the products.
    pub(super) affects_any: bool,
    /// Number of products that changed.
    pub(super) changed: u64,
    /// The products by the change of their reported quantity.
    pub(super) counted: Counted,
    /// Products that other transactions hold.
    pub(super) held: Vec<ProductId>,
}

/// Writes the changes that a report makes to the products of a chunk.
pub(super) async fn write_products(
    work: &mut dyn UnitOfWork,
    plan: &Plan<'_>,
    chunk: &Chunk,
    locking: Locking,
) -> Result<WrittenProducts, SyncError> {
    let vendor_id = plan.vendor_id;
    let is_delta = plan.report.kind() == ReportKind::Delta;
    let affected_chunk;
    let chunk = if is_delta && !chunk.product_ids.is_empty() {
        affected_chunk = affected_lines(work, plan, &chunk.product_ids).await?;
        &affected_chunk
    } else {
        chunk
    };
    if chunk.product_ids.is_empty() {
        return Ok(WrittenProducts::default());
    }
    if !chunk.new.is_empty() {
        work.create_products(&chunk.new).await?;
    }
    let LockedStock { locked, held } = locking.lock(work, &chunk.product_ids).await?;
    let affected: Vec<ProductId> = locked.iter().map(|it| it.product_id.clone()).collect();
    if affected.is_empty() {
        return Ok(WrittenProducts {
            held,
            ..WrittenProducts::default()
        });
    }
    let counted = Counted::of(plan, &locked);
    let included = match plan.proof {
        Ok(proven) => {
            work.mark_included(vendor_id, &affected, proven.as_of)
                .await?
        }
        Err(_) => BTreeMap::new(),
    };
    let changes = reconcile(
        vendor_id,
        plan.report,
        plan.order.as_of,
        locked,
        &included,
        plan.is_expired,
    )?;
    if !changes.is_empty() {
        work.save_stock(&changes).await?;
    }
    if is_delta {
        // Also for lines that repeat the quantity, so that an older line that arrives later is detected.
        work.advance_as_of(vendor_id, &affected, plan.order).await?;
    }
    Ok(WrittenProducts {
        affects_any: true,
        changed: changes.len() as u64,
        counted,
        held,
    })
}

/// The lines of a delta that are not older than their rows.
async fn affected_lines(
    work: &mut dyn UnitOfWork,
    plan: &Plan<'_>,
    product_ids: &[ProductId],
) -> Result<Chunk, SyncError> {
    let rows = work.find_reported_stock(plan.vendor_id, product_ids);
    let rows = rows.await?;
    let rows: BTreeMap<_, _> = rows.iter().map(|row| (&row.product_id, row)).collect();
    let comparison = plan.comparison();
    let mut affected_chunk = Chunk::default();
    for product_id in product_ids {
        let row = rows.get(product_id).copied();
        let line = plan.report.quantity_of(product_id);
        if comparison.affects(line, row) {
            affected_chunk.product_ids.push(product_id.clone());
            if row.is_none() {
                affected_chunk.new.push(product_id.clone());
            }
        }
    }
    Ok(affected_chunk)
}
