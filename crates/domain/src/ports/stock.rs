//! Stock inside a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::ProductId;
use crate::stock::{ProductStock, StockChange};

/// Stock that was locked without waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedStock {
    /// The products that were locked with all of their vendor stock, by product id.
    pub locked: Vec<ProductStock>,
    /// The known products with a stock or vendor stock row that another transaction holds, by id. This unit of work may have
    /// locked some of their rows.
    pub held: Vec<ProductId>,
}

/// Reads and writes stock inside a transaction.
#[async_trait]
pub trait StockRepository {
    /// Locks the products and the stock rows of all their vendors, and returns them by product id. MUST leave out a product
    /// that was never reported. MUST lock each product before it reads the product's vendor stock, so that the result is
    /// what the last committed transaction wrote.
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError>;

    /// Like [`lock_stock`](Self::lock_stock), but without waiting for another transaction. A product that is in neither list
    /// MUST be unknown. A product with a held row MUST NOT be returned with only some of its vendors. MAY fail with
    /// [`StoreError::Conflict`] because of a held vendor stock row; then the call in another unit of work MUST name its
    /// product as held.
    async fn try_lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError>;

    /// Writes quantities and vendor stock of products that [`lock_stock`](Self::lock_stock) returned, and creates vendor
    /// stock rows that do not exist yet. MUST fail for a product that does not exist.
    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError>;
}
