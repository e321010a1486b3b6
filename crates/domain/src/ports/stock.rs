//! Stock inside a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::ProductId;
use crate::stock::{ProductStock, StockChange};

/// Stock that was locked without waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedStock {
    /// The products that were locked with all their positions, by product id.
    pub locked: Vec<ProductStock>,
    /// The known products of which another transaction holds the row or a position, by id. Some of their rows may be
    /// locked by this unit of work.
    pub held: Vec<ProductId>,
}

/// Reads and writes stock under lock.
#[async_trait]
pub trait StockRepository {
    /// Locks the products and the positions of all their vendors, and returns them by product id. A product that was
    /// never reported is left out. MUST take each product's lock before it reads the product's positions, so that what
    /// it returns is what the last committed transaction left.
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError>;

    /// The same without waiting for another transaction. A product that is in neither list MUST be unknown: one of which
    /// any row is held MUST NOT be returned with fewer positions than it has. MAY fail with [`StoreError::Conflict`] because of
    /// a held position; then the call in another unit of work MUST name its product.
    async fn try_lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError>;

    /// Writes quantities and positions of products that [`lock_stock`](Self::lock_stock) returned; a position that does
    /// not exist yet is created. MUST refuse a product that does not exist.
    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError>;
}
