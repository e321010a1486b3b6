//! Stock inside a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::ProductId;
use crate::stock::{ProductStock, StockChange};

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

    /// Writes quantities and positions of products that [`lock_stock`](Self::lock_stock) returned; a position that does
    /// not exist yet is created. MUST refuse a product that does not exist.
    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError>;
}
