//! Stock inside a transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use domain::identifiers::ProductId;
use domain::ports::{LockedStock, StockRepository, StoreError};
use domain::stock::{ProductStock, StockChange};

use crate::rows::{ProductIdRow, VendorStockRow, to_pg};
use crate::statement::{Bind, texts};
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

fn ids_of(product_ids: &[ProductId]) -> Bind {
    texts(product_ids.iter().map(ProductId::as_str))
}

fn parsed(product_ids: Vec<String>) -> Result<Vec<ProductId>, StoreError> {
    let product_ids = product_ids.into_iter();
    product_ids
        .map(|id| storage_sql::product_id(id, "stock"))
        .collect()
}

/// Joins products with their vendors' stock rows, by product id.
fn joined(
    product_ids: Vec<String>,
    positions: Vec<VendorStockRow>,
) -> Result<Vec<ProductStock>, StoreError> {
    let mut stock = BTreeMap::new();
    for product_id in parsed(product_ids)? {
        stock.insert(product_id, Vec::new());
    }
    for mut row in positions {
        let product_id =
            storage_sql::product_id(std::mem::take(&mut row.product_id), "vendor_stock")?;
        let position = storage_sql::position(row.into())?;
        stock.entry(product_id).or_default().push(position);
    }
    let stock = stock.into_iter();
    Ok(stock
        .map(|(product_id, vendors)| ProductStock {
            product_id,
            vendors,
        })
        .collect())
}

impl PgUnitOfWork {
    /// Returns the products that exist and were not locked.
    async fn held_products(
        &mut self,
        product_ids: &[ProductId],
        locked: &[String],
    ) -> Result<Vec<ProductId>, StoreError> {
        const KNOWN: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id";
        let locked: HashSet<&str> = locked.iter().map(String::as_str).collect();
        let ids = product_ids.iter().map(ProductId::as_str);
        let ids = texts(ids.filter(|id| !locked.contains(id)));
        let known: Vec<ProductIdRow> = self.load(KNOWN, vec![ids]).await?;
        parsed(known.into_iter().map(|row| row.product_id).collect())
    }

    /// Locks and returns the vendor stock rows of the products, if no row is held.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a row is held: the next unit of work uses
    /// [`lock_free_positions`](Self::lock_free_positions).
    async fn lock_all_positions(
        &mut self,
        product_ids: &[String],
    ) -> Result<Vec<VendorStockRow>, StoreError> {
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($1)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p NOWAIT";
        let binds = vec![texts(product_ids.iter().map(String::as_str))];
        let found = self.load(POSITIONS, binds).await;
        found.map_err(|error| {
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
        product_ids: &[String],
    ) -> Result<(Vec<VendorStockRow>, Vec<String>), StoreError> {
        // The count shows whether a row was skipped.
        const POSITIONS: &str = "
SELECT p.product_id, p.vendor_id, p.reported, p.in_flight, p.as_of, v.configured, p.is_expired,
       (SELECT count(*) FROM vendor_stock WHERE product_id = ANY($1)) AS positions
FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id)
WHERE p.product_id = ANY($2)
ORDER BY p.product_id, p.vendor_id FOR NO KEY UPDATE OF p SKIP LOCKED";
        const COUNTS: &str = "
SELECT product_id, count(*) AS positions FROM vendor_stock WHERE product_id = ANY($1) GROUP BY product_id";
        let ids = || texts(product_ids.iter().map(String::as_str));
        let found: Vec<CountedPositionRow> = self.load(POSITIONS, vec![ids(), ids()]).await?;
        let expected = found.first().map(|row| row.positions.unsigned_abs());
        let mut held = Vec::new();
        if expected != Some(found.len() as u64) {
            let mut locked: HashMap<&str, i64> = HashMap::new();
            for row in &found {
                *locked.entry(&row.position.product_id).or_default() += 1;
            }
            let counted: Vec<PositionsRow> = self.load(COUNTS, vec![ids()]).await?;
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

        let locked: Vec<ProductIdRow> = self.load(STOCK, vec![ids_of(product_ids)]).await?;
        let locked: Vec<String> = locked.into_iter().map(|row| row.product_id).collect();
        let binds = vec![texts(locked.iter().map(String::as_str))];
        let positions: Vec<VendorStockRow> = self.load(POSITIONS, binds).await?;
        joined(locked, positions)
    }

    async fn try_lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError> {
        const STOCK: &str = "
SELECT product_id FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR NO KEY UPDATE SKIP LOCKED";

        let found: Vec<ProductIdRow> = self.load(STOCK, vec![ids_of(product_ids)]).await?;
        let mut locked: Vec<String> = found.into_iter().map(|row| row.product_id).collect();
        let mut held = if locked.len() == product_ids.len() {
            Vec::new()
        } else {
            self.held_products(product_ids, &locked).await?
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
                locked: joined(locked, positions)?,
                held,
            });
        }
        let (positions, incomplete) = self.lock_free_positions(&locked).await?;
        locked.retain(|id| incomplete.binary_search(id).is_err());
        held.extend(parsed(incomplete)?);
        held.sort_unstable();
        Ok(LockedStock {
            locked: joined(locked, positions)?,
            held,
        })
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
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

        let mut products = Vec::with_capacity(changes.len());
        let mut quantities = Vec::with_capacity(changes.len());
        let (mut position_products, mut vendors) = (Vec::new(), Vec::new());
        let (mut reported, mut in_flight) = (Vec::new(), Vec::new());
        let (mut as_of, mut is_expired) = (Vec::new(), Vec::new());
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
                is_expired.push(position.is_expired);
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
            Bind::Bools(is_expired),
        ];
        let written = self.execute(POSITIONS, binds).await?;
        self.expect_rows("writing vendor stock", written, expected)
    }
}
