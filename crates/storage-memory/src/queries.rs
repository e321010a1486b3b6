//! Queries outside a transaction. Each reads a consistent snapshot of the committed tables.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderState};
use domain::ports::{
    OrderFilter, OrderQueries, OutboxLag, ProductDetail, StockLevel, StockQueries, StoreError,
    StoreProbe, StoredPause, VendorLevel, VendorQueries, VendorStatus,
};
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::tables::{OutboxRow, StockRow, Tables};

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[async_trait]
impl OrderQueries for MemoryStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.committed().order(id)
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let tables = self.committed();
        let requested: BTreeSet<OrderId> = ids.iter().copied().collect();
        let requested = requested.into_iter().rev();
        requested
            .filter_map(|id| tables.order(id).transpose())
            .collect()
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let mut found = self.find_orders(ids).await?;
        found.retain(|order| order.state != OrderState::Pending);
        Ok(found)
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let tables = self.committed();
        let below = before.map_or(Bound::Unbounded, Bound::Excluded);
        let product_id = filter.product_id.as_ref();
        tables
            .orders
            .range((Bound::Unbounded, below))
            .rev()
            .filter(|(_, row)| filter.status.is_none_or(|status| row.status == status))
            .filter(|(_, row)| product_id.is_none_or(|product_id| row.product_id == *product_id))
            .take(at_most(limit))
            .filter_map(|(&id, _)| tables.order(id).transpose())
            .collect()
    }
}

fn level(product_id: &ProductId, row: &StockRow) -> StockLevel {
    StockLevel {
        product_id: product_id.clone(),
        quantity: row.quantity,
        updated_at: row.updated_at,
    }
}

fn vendor_levels(tables: &Tables, product_id: &ProductId) -> Vec<VendorLevel> {
    tables
        .product_stock(product_id)
        .vendors
        .into_iter()
        .map(|stock| {
            // A full report covers every product of its vendor, including those whose row it did not change.
            let vendor = tables.vendors.get(&stock.vendor_id);
            let full_as_of = vendor.and_then(|row| row.history.full.map(|full| full.as_of));
            VendorLevel {
                available: stock.sellable(),
                as_of: full_as_of.map_or(stock.as_of, |as_of| as_of.max(stock.as_of)),
                vendor_id: stock.vendor_id,
                reported: stock.reported,
                in_flight: stock.in_flight,
            }
        })
        .collect()
}

#[async_trait]
impl StockQueries for MemoryStore {
    async fn find_stock(
        &self,
        product_id: &ProductId,
    ) -> Result<Option<ProductDetail>, StoreError> {
        let tables = self.committed();
        Ok(tables.stock.get(product_id).map(|row| ProductDetail {
            level: level(product_id, row),
            vendors: vendor_levels(&tables, product_id),
        }))
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        let tables = self.committed();
        let requested: BTreeSet<&ProductId> = product_ids.iter().collect();
        let rows = requested
            .into_iter()
            .filter_map(|id| Some((id, tables.stock.get(id)?)));
        Ok(rows.map(|(id, row)| level(id, row)).collect())
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self
            .committed()
            .stock
            .range((above, Bound::Unbounded))
            .filter(|(_, row)| !in_stock || row.quantity > 0)
            .take(at_most(limit))
            .map(|(product_id, row)| level(product_id, row))
            .collect())
    }
}

#[async_trait]
impl VendorQueries for MemoryStore {
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError> {
        let tables = self.committed();
        let now = self.shared().clock.now();
        let requested = tables.vendors.iter();
        let requested = requested.filter(|(vendor_id, _)| vendor_ids.contains(vendor_id));
        Ok(requested
            .map(|(vendor_id, row)| VendorStatus {
                vendor_id: vendor_id.clone(),
                products: tables
                    .vendor_stock
                    .keys()
                    .filter(|(_, of)| of == vendor_id)
                    .count() as u64,
                last_sync: row.last_sync.clone(),
                proof: row.history.proof,
                age: row
                    .history
                    .proof
                    .and_then(Result::ok)
                    .map(|it| now.since(it.as_of)),
                clock_skew_ms: row.history.clock_skew_ms,
                is_expired: tables
                    .vendor_stock
                    .iter()
                    .any(|((_, of), stock)| of == vendor_id && stock.is_expired),
                quarantined: row.history.quarantined.clone(),
            })
            .collect())
    }
}

#[async_trait]
impl StoreProbe for MemoryStore {
    fn unreadable_rows(&self) -> u64 {
        // Rows are domain values, so every row is readable.
        0
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        Ok(self.shared().clock.now())
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        let tables = self.committed();
        let now = self.shared().clock.now();
        let is_due = |row: &&OutboxRow| row.not_before.is_none_or(|instant| instant <= now);
        let oldest = tables.outbox.values().find(is_due);
        Ok(OutboxLag {
            oldest: oldest.map(|row| now.since(row.created_at)),
        })
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        let entries = self.committed().outbox.len() as u64;
        Ok(entries.min(at_most.into()))
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        let tables = self.committed();
        let open = tables.open_dead_letters(None).count() as u64;
        Ok(open.min(at_most.into()))
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        let tables = self.committed();
        Ok(vendor_ids.iter().all(|vendor_id| {
            let vendor = tables.vendors.get(vendor_id);
            vendor.is_some_and(|row| row.last_sync.is_some())
        }))
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        Ok(self.read_pauses(vendor_ids))
    }
}
