//! Stock inside a transaction.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::identifiers::ProductId;
use domain::ports::{LockedStock, StockRepository, StoreError};
use domain::stock::{MAX_REPORTED, ProductStock, StockChange};
use domain::timestamp::Timestamp;

use crate::tables::{Tables, VendorStockRow, refused};
use crate::unit_of_work::MemoryUnitOfWork;

fn save(tables: &mut Tables, change: &StockChange, now: Timestamp) -> Result<(), StoreError> {
    let product_id = &change.product_id;
    let row = tables
        .stock
        .get_mut(product_id)
        .ok_or_else(|| refused(format!("product {product_id} does not exist")))?;
    if row.quantity != change.quantity {
        row.quantity = change.quantity;
        row.updated_at = now;
    }
    for stock in &change.vendors {
        let vendor_id = &stock.vendor_id;
        if !tables.vendors.contains_key(vendor_id) {
            return Err(refused(format!("vendor {vendor_id} does not exist")));
        }
        if stock.reported.max(stock.in_flight) > MAX_REPORTED {
            return Err(refused(format!(
                "vendor {vendor_id} has more units of product {product_id} than can be stored"
            )));
        }
        let key = (product_id.clone(), vendor_id.clone());
        let before = tables.vendor_stock.get(&key);
        let row = VendorStockRow {
            reported: stock.reported,
            in_flight: stock.in_flight,
            as_of: stock.as_of,
            requested_at: before.and_then(|row| row.requested_at),
            is_expired: stock.is_expired,
        };
        tables.vendor_stock.insert(key, row);
    }
    Ok(())
}

#[async_trait]
impl StockRepository for MemoryUnitOfWork {
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError> {
        let sorted: BTreeSet<&ProductId> = product_ids.iter().collect();
        Ok(sorted
            .into_iter()
            .filter(|product_id| self.tables().stock.contains_key(*product_id))
            .map(|product_id| self.tables().product_stock(product_id))
            .collect())
    }

    async fn try_lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError> {
        // Units of work run one at a time, so no other transaction can hold a lock.
        Ok(LockedStock {
            locked: self.lock_stock(product_ids).await?,
            held: Vec::new(),
        })
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        let now = self.now();
        let ids = changes.iter().map(|change| change.product_id.clone());
        self.changed.product_ids.extend(ids);
        self.write(|tables| {
            changes
                .iter()
                .try_for_each(|change| save(tables, change, now))
        })
    }
}
