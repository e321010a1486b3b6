//! Stock inside a transaction.

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::identifiers::ProductId;
use domain::ports::{LockedStock, StockRepository, StoreError};
use domain::stock::{ProductStock, StockChange};
use domain::timestamp::Timestamp;

use crate::error::expect_one;
use crate::statement::{execute, load};
use crate::unit_of_work::SqliteUnitOfWork;

fn save(
    connection: &mut SqliteConnection,
    change: &StockChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    const QUANTITY: &str = "
UPDATE stock SET updated_at = CASE WHEN quantity = $1 THEN updated_at ELSE $2 END, quantity = $1
WHERE product_id = $3";
    const SAVE_VENDOR_STOCK: &str = "
INSERT INTO vendor_stock (product_id, vendor_id, reported, in_flight, as_of, is_expired) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (product_id, vendor_id) DO UPDATE
SET reported = excluded.reported, in_flight = excluded.in_flight, as_of = excluded.as_of,
    is_expired = excluded.is_expired";

    let quantity =
        i64::try_from(change.quantity).map_err(|error| StoreError::Failed(Box::new(error)))?;
    let product_id = &change.product_id;
    let binds = vec![quantity.into(), now.into(), product_id.into()];
    let written = execute(connection, QUANTITY, binds)?;
    expect_one("writing stock of", product_id, written)?;
    for vendor_stock in &change.vendors {
        let binds = vec![
            product_id.into(),
            (&vendor_stock.vendor_id).into(),
            vendor_stock.reported.into(),
            vendor_stock.in_flight.into(),
            vendor_stock.as_of.into(),
            i64::from(vendor_stock.is_expired).into(),
        ];
        execute(connection, SAVE_VENDOR_STOCK, binds)?;
    }
    Ok(())
}

#[async_trait]
impl StockRepository for SqliteUnitOfWork {
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError> {
        const STOCK: &str =
            "SELECT product_id FROM stock WHERE product_id IN (SELECT value FROM json_each($1))";
        const VENDOR_STOCK: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id IN (SELECT value FROM json_each($1)) ORDER BY p.product_id, p.vendor_id";
        let binds = vec![product_ids.into()];
        self.call(move |connection, _| {
            let products = load(connection, STOCK, binds.clone())?;
            storage_sql::product_stock(products, load(connection, VENDOR_STOCK, binds)?)
        })
        .await
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
        let changes = changes.to_vec();
        let ids = changes.iter().map(|change| change.product_id.clone());
        self.changed.product_ids.extend(ids);
        self.call(move |connection, now| {
            let now = now();
            changes
                .iter()
                .try_for_each(|change| save(connection, change, now))
        })
        .await
    }
}
