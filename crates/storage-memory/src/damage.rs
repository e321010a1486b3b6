//! Inconsistent data that no use case produces, to test the audit.

use std::sync::Arc;

use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::tables::Tables;

impl MemoryStore {
    /// Removes an order but not its allocations.
    pub fn lose_order(&self, id: OrderId) {
        self.damage(|tables| {
            tables.orders.remove(&id);
        });
    }

    /// Removes a vendor's stock row of a product but not its allocations, and corrects the product's quantity.
    pub fn lose_stock_row(&self, product_id: &ProductId, vendor_id: &VendorId) {
        self.damage(|tables| {
            let key = (product_id.clone(), vendor_id.clone());
            tables.vendor_stock.remove(&key);
            let quantity = tables.product_stock(product_id).quantity();
            if let Some(row) = tables.stock.get_mut(product_id) {
                row.quantity = quantity;
            }
        });
    }

    /// Marks the units of an order as included in a report with this as-of, with consistent balances.
    pub fn include_order(&self, id: OrderId, as_of: Timestamp) {
        self.damage(|tables| {
            let mut included = Vec::new();
            for ((order_id, vendor_id), row) in &mut tables.allocations {
                if *order_id == id {
                    row.known_as_of = Some(as_of);
                    let key = (row.product_id.clone(), vendor_id.clone());
                    included.push((key, row.quantity.units()));
                }
            }
            for (key, units) in included {
                if let Some(row) = tables.vendor_stock.get_mut(&key) {
                    row.in_flight = row.in_flight.saturating_sub(units);
                }
                let quantity = tables.product_stock(&key.0).quantity();
                if let Some(row) = tables.stock.get_mut(&key.0) {
                    row.quantity = quantity;
                }
            }
        });
    }

    /// Marks the units of an order as shipped at this instant.
    pub fn ship_order_at(&self, id: OrderId, instant: Timestamp) {
        self.damage(|tables| {
            for ((order_id, _), row) in &mut tables.allocations {
                if *order_id == id {
                    row.shipped_at = Some(instant);
                }
            }
        });
    }

    /// Sets the creation time of an order and removes the order from the outbox.
    pub fn strand_order(&self, id: OrderId, instant: Timestamp) {
        self.damage(|tables| {
            if let Some(row) = tables.orders.get_mut(&id) {
                row.created_at = instant;
            }
            tables
                .outbox
                .retain(|_, row| row.orders.iter().all(|order| order.order_id != id));
        });
    }

    /// Restarts the numbering of orders.
    pub fn reset_numbers(&self) {
        self.shared().reset_numbers();
    }

    fn damage(&self, damage: impl FnOnce(&mut Tables)) {
        let mut tables = Tables::clone(&self.committed());
        damage(&mut tables);
        self.shared().replace(Arc::new(tables));
    }
}
