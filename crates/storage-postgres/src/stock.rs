//! Stock inside a transaction.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use domain::identifiers::ProductId;
use domain::ports::{LockedStock, StockRepository, StoreError};
use domain::stock::{ProductStock, StockChange};
use storage_sql::{Bind, ProductIdRow, VendorStockRow, product_ids, product_stock};

use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct CountedPositionRow {
    #[diesel(embed)]
    position: VendorStockRow,
    /// Over all requested products.
    #[diesel(sql_type = BigInt)]
    positions: i64,
}

#[derive(QueryableByName)]
struct PositionsRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    positions: i64,
}

fn ids_of(rows: &[ProductIdRow]) -> Bind {
    Bind::texts(rows.iter().map(|row| row.product_id.as_str()))
}

impl PgUnitOfWork {
    /// Returns the products that exist and were not locked.
    pub(crate) async fn held_products(
        &mut self,
        requested: &[ProductId],
        locked: &[ProductIdRow],
    ) -> Result<Vec<ProductId>, StoreError> {
        const KNOWN: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id";
        let locked: HashSet<&str> = locked.iter().map(|row| row.product_id.as_str()).collect();
        let ids = requested.iter().map(ProductId::as_str);
        let ids = Bind::texts(ids.filter(|id| !locked.contains(id)));
        product_ids(self.load(KNOWN, vec![ids]).await?, "stock")
    }

    /// Locks and returns the vendor stock rows of the products, if no row is held.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a row is held: the next unit of work uses
    /// [`lock_free_positions`](Self::lock_free_positions).
    async fn lock_all_positions(
        &mut self,
        products: &[ProductIdRow],
    ) -> Result<Vec<VendorStockRow>, StoreError> {
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($1)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p NOWAIT";
        let found = self.load(POSITIONS, vec![ids_of(products)]).await;
        self.held_as_conflict(found)
    }

    /// Records a held vendor stock row, and converts its error to a conflict.
    pub(crate) fn held_as_conflict<T>(
        &self,
        locked: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        locked.map_err(|error| {
            if !self.checkout.lock_timed_out() {
                return error;
            }
            self.checkout.held_positions().record();
            StoreError::Conflict(error.to_string())
        })
    }

    /// Locks and returns the vendor stock rows of the products without a held row, and returns the other products.
    async fn lock_free_positions(
        &mut self,
        products: &[ProductIdRow],
    ) -> Result<(Vec<VendorStockRow>, Vec<String>), StoreError> {
        // The count shows whether a row was skipped.
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired,
       (SELECT count(*) FROM vendor_stock WHERE product_id = ANY($1)) AS positions
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($1)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p SKIP LOCKED";
        const COUNTS: &str = "
SELECT product_id, count(*) AS positions FROM vendor_stock WHERE product_id = ANY($1) GROUP BY product_id";
        let found: Vec<CountedPositionRow> = self.load(POSITIONS, vec![ids_of(products)]).await?;
        let expected = found.first().map(|row| row.positions.unsigned_abs());
        let mut held = Vec::new();
        if expected != Some(found.len() as u64) {
            let mut locked: HashMap<&str, i64> = HashMap::new();
            for row in &found {
                *locked.entry(&row.position.product_id).or_default() += 1;
            }
            let counted: Vec<PositionsRow> = self.load(COUNTS, vec![ids_of(products)]).await?;
            let incomplete = counted.into_iter().filter(|row| {
                let locked = locked.get(row.product_id.as_str()).copied();
                locked.unwrap_or_default() != row.positions
            });
            held = incomplete.map(|row| row.product_id).collect();
            held.sort_unstable();
        }
        if !held.is_empty() {
            self.checkout.held_positions().record();
        }
        let found = found.into_iter().map(|row| row.position);
        let complete = found.filter(|row| held.binary_search(&row.product_id).is_err());
        Ok((complete.collect(), held))
    }

    /// Defers the writes of quantities and vendor stock.
    pub(crate) fn defer_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        const QUANTITIES: &str = "
UPDATE stock SET quantity = i.quantity,
    updated_at = CASE WHEN stock.quantity = i.quantity THEN updated_at ELSE clock_timestamp() END
FROM unnest($1, $2) AS i (product_id, quantity) WHERE stock.product_id = i.product_id";
        const POSITIONS: &str = "
INSERT INTO vendor_stock (product_id, vendor_id, reported, in_flight, as_of, is_expired)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
ON CONFLICT (product_id, vendor_id) DO UPDATE
SET reported = excluded.reported, in_flight = excluded.in_flight, as_of = excluded.as_of,
    is_expired = excluded.is_expired";

        let quantities: Result<Vec<i64>, _> =
            changes.iter().map(|it| it.quantity.try_into()).collect();
        let quantities = quantities.map_err(|error| StoreError::Failed(Box::new(error)))?;
        let products = changes.iter().map(|change| &change.product_id);
        products.clone().for_each(|id| self.changes.product(id));
        let binds = vec![
            Bind::texts(products.map(ProductId::as_str)),
            Bind::big_ints(quantities),
        ];
        self.defer("writing stock", changes.len(), QUANTITIES, binds);
        let rows: Vec<_> = changes
            .iter()
            .flat_map(|change| {
                change
                    .vendors
                    .iter()
                    .map(move |it| (&change.product_id, it))
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let binds = vec![
            Bind::texts(rows.iter().map(|(product_id, _)| product_id.as_str())),
            Bind::texts(rows.iter().map(|(_, it)| it.vendor_id.as_str())),
            Bind::integers(rows.iter().map(|(_, it)| it.reported)),
            Bind::integers(rows.iter().map(|(_, it)| it.in_flight)),
            Bind::instants(rows.iter().map(|(_, it)| it.as_of)),
            Bind::Bools(rows.iter().map(|(_, it)| it.is_expired).collect()),
        ];
        self.defer("writing vendor stock", rows.len(), POSITIONS, binds);
        Ok(())
    }
}

#[async_trait]
impl StockRepository for PgUnitOfWork {
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError> {
        // Two statements, because a statement reads a snapshot from its start: after waiting for the stock row, a
        // single statement would still read the other tables as they were before the wait.
        const STOCK: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE";
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($1)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p";

        let locked: Vec<ProductIdRow> = self.load(STOCK, vec![product_ids.into()]).await?;
        let positions = self.load(POSITIONS, vec![ids_of(&locked)]).await?;
        product_stock(locked, positions)
    }

    async fn try_lock_stock(&mut self, requested: &[ProductId]) -> Result<LockedStock, StoreError> {
        const STOCK: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE SKIP LOCKED";

        let mut locked: Vec<ProductIdRow> = self.load(STOCK, vec![requested.into()]).await?;
        let mut held = if locked.len() == requested.len() {
            Vec::new()
        } else {
            self.held_products(requested, &locked).await?
        };
        if locked.is_empty() {
            return Ok(LockedStock {
                locked: Vec::new(),
                held,
            });
        }
        if !self.checkout.held_positions().were_recorded() {
            let positions = self.lock_all_positions(&locked).await?;
            return Ok(LockedStock {
                locked: product_stock(locked, positions)?,
                held,
            });
        }
        let (positions, incomplete) = self.lock_free_positions(&locked).await?;
        locked.retain(|row| incomplete.binary_search(&row.product_id).is_err());
        for id in incomplete {
            held.push(storage_sql::product_id(id, "stock")?);
        }
        held.sort_unstable();
        Ok(LockedStock {
            locked: product_stock(locked, positions)?,
            held,
        })
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        self.defer_stock(changes)?;
        self.flush().await
    }
}
