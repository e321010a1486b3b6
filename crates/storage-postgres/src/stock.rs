//! Stock inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::identifiers::ProductId;
use domain::ports::{StockRepository, StoreError};
use domain::stock::{ProductStock, StockChange};
use domain::stored;

use crate::rows::{ProductIdRow, VendorStockRow, to_pg};
use crate::statement::Bind;
use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl StockRepository for PgUnitOfWork {
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError> {
        // Two statements, because a statement sees what was committed before it began: had one statement waited for the
        // stock row, it would still read the other tables as they were before the wait.
        const STOCK: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE";
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($1)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p";

        let ids: Vec<String> = product_ids
            .iter()
            .map(|id| id.as_str().to_owned())
            .collect();
        let locked: Vec<ProductIdRow> = self.load(STOCK, vec![Bind::Texts(ids)]).await?;
        let mut stock = BTreeMap::new();
        let mut locked_ids = Vec::with_capacity(locked.len());
        for row in locked {
            locked_ids.push(row.product_id.clone());
            let product_id = stored::product_id(row.product_id, "stock")?;
            stock.insert(product_id, Vec::new());
        }
        let positions: Vec<VendorStockRow> =
            self.load(POSITIONS, vec![Bind::Texts(locked_ids)]).await?;
        for mut row in positions {
            let product_id =
                stored::product_id(std::mem::take(&mut row.product_id), "vendor_stock")?;
            let position = stored::position(row.into())?;
            stock.entry(product_id).or_default().push(position);
        }
        Ok(stock
            .into_iter()
            .map(|(product_id, vendors)| ProductStock {
                product_id,
                vendors,
            })
            .collect())
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        const QUANTITIES: &str = "
UPDATE stock SET quantity = i.quantity,
    updated_at = CASE WHEN stock.quantity = i.quantity THEN updated_at ELSE clock_timestamp() END
FROM unnest($1, $2) AS i (product_id, quantity) WHERE stock.product_id = i.product_id";
        const POSITIONS: &str = "
INSERT INTO vendor_stock (product_id, vendor_id, reported, in_flight, as_of)
SELECT * FROM unnest($1, $2, $3, $4, $5)
ON CONFLICT (product_id, vendor_id) DO UPDATE
SET reported = excluded.reported, in_flight = excluded.in_flight, as_of = excluded.as_of";

        let mut products = Vec::with_capacity(changes.len());
        let mut quantities = Vec::with_capacity(changes.len());
        let (mut position_products, mut vendors) = (Vec::new(), Vec::new());
        let (mut reported, mut in_flight, mut as_of) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            self.changes.product(&change.product_id);
            products.push(change.product_id.as_str().to_owned());
            quantities.push(
                i64::try_from(change.quantity)
                    .map_err(|error| StoreError::Failed(Box::new(error)))?,
            );
            for position in &change.vendors {
                position_products.push(change.product_id.as_str().to_owned());
                vendors.push(position.vendor_id.as_str().to_owned());
                reported.push(position.reported.cast_signed());
                in_flight.push(position.in_flight.cast_signed());
                as_of.push(to_pg(position.as_of));
            }
        }
        let binds = vec![Bind::Texts(products), Bind::BigInts(quantities)];
        let written = self.execute(QUANTITIES, binds).await?;
        self.expect_rows("writing stock", written, changes.len())?;
        if vendors.is_empty() {
            return Ok(());
        }
        let expected = vendors.len();
        let binds = vec![
            Bind::Texts(position_products),
            Bind::Texts(vendors),
            Bind::Integers(reported),
            Bind::Integers(in_flight),
            Bind::Timestamps(as_of),
        ];
        let written = self.execute(POSITIONS, binds).await?;
        self.expect_rows("writing vendor stock", written, expected)
    }
}
