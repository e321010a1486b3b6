//! Locks a batch for settlement.
//!
//! The statements that lock a small batch are sent together, which saves two round trips. The server takes a snapshot for each
//! statement, so vendor stock is read after the stock rows were locked. Each statement finds the products itself, which
//! would cost more than it saves for a large batch: that is locked step by step.

use std::collections::HashSet;

use domain::identifiers::OrderId;
use domain::ports::{
    LockedBatch, LockedStock, OrderRepository as _, StockRepository as _, StoreError,
};
use domain::settlement::products_of;
use storage_sql::{ProductIdRow, Statement, VendorStockRow, pending_orders};

use crate::orders::TRY_LOCK_PENDING;
use crate::unit_of_work::PgUnitOfWork;

/// Maximum number of orders whose rows are locked by statements that are sent together.
const SMALL_BATCH: usize = 32;

/// The products of `PENDING` orders.
macro_rules! products {
    () => {
        "ARRAY(SELECT product_id FROM orders WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE)"
    };
}

const STOCK: &str = concat!(
    "SELECT product_id FROM stock WHERE product_id = ANY(",
    products!(),
    ") ORDER BY product_id FOR NO KEY UPDATE SKIP LOCKED"
);

/// Leaves out products whose stock row is held: the holder may have locked their vendor stock as well.
const POSITIONS: &str = concat!(
    "
WITH free AS MATERIALIZED (
    SELECT product_id FROM stock WHERE product_id = ANY(",
    products!(),
    ") ORDER BY product_id FOR NO KEY UPDATE SKIP LOCKED
)
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY(ARRAY(SELECT product_id FROM free))
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p NOWAIT"
);

impl PgUnitOfWork {
    /// Locks a batch without waiting.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a vendor stock row is held, like
    /// [`try_lock_stock`](domain::ports::StockRepository::try_lock_stock).
    pub(crate) async fn lock_batch(
        &mut self,
        order_ids: &[OrderId],
    ) -> Result<LockedBatch, StoreError> {
        if order_ids.len() > SMALL_BATCH || self.checkout.held_positions().were_recorded() {
            return self.lock_batch_in_steps(order_ids).await;
        }
        let statements = [TRY_LOCK_PENDING, STOCK, POSITIONS]
            .map(|sql| Statement::new(sql, vec![order_ids.into()]));
        let locked = self.load_three(statements).await;
        let (orders, mut stock, mut positions): (_, Vec<ProductIdRow>, Vec<VendorStockRow>) =
            self.held_as_conflict(locked)?;
        let pending = pending_orders(orders)?;
        let products = products_of(&pending);
        // Others belong to orders that were left out.
        stock.retain(|row| {
            let found = products.binary_search_by(|id| id.as_str().cmp(&row.product_id));
            found.is_ok()
        });
        let held = if stock.len() == products.len() {
            Vec::new()
        } else {
            self.held_products(&products, &stock).await?
        };
        // A stock row may have been released between the two statements.
        let locked: HashSet<&str> = stock.iter().map(|row| row.product_id.as_str()).collect();
        positions.retain(|row| locked.contains(row.product_id.as_str()));
        let locked = storage_sql::product_stock(stock, positions)?;
        let stock = LockedStock { locked, held };
        Ok(LockedBatch { pending, stock })
    }

    async fn lock_batch_in_steps(
        &mut self,
        order_ids: &[OrderId],
    ) -> Result<LockedBatch, StoreError> {
        let pending = self.try_lock_pending(order_ids).await?;
        if pending.is_empty() {
            return Ok(LockedBatch::default());
        }
        let stock = self.try_lock_stock(&products_of(&pending)).await?;
        Ok(LockedBatch { pending, stock })
    }
}
