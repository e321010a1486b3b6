//! Damage that no use case does: for tests of what finds it.

use std::sync::Arc;

use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::timestamp::Timestamp;

use crate::store::MemoryStore;
use crate::tables::Tables;

impl MemoryStore {
    /// Removes an order and leaves its allocations.
    pub fn lose_order(&self, id: OrderId) {
        self.damage(|tables| {
            tables.orders.remove(&id);
        });
    }

    /// Removes a vendor's position in a product and leaves its allocations; what can be sold is corrected.
    pub fn lose_position(&self, product_id: &ProductId, vendor_id: &VendorId) {
        self.damage(|tables| {
            let key = (product_id.clone(), vendor_id.clone());
            tables.positions.remove(&key);
            let quantity = tables.product_stock(product_id).quantity();
            if let Some(row) = tables.stock.get_mut(product_id) {
                row.quantity = quantity;
            }
        });
    }

    /// Marks the units of an order as included in a report of this moment, with balances that agree.
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
                if let Some(row) = tables.positions.get_mut(&key) {
                    row.in_flight = row.in_flight.saturating_sub(units);
                }
                let quantity = tables.product_stock(&key.0).quantity();
                if let Some(row) = tables.stock.get_mut(&key.0) {
                    row.quantity = quantity;
                }
            }
        });
    }

    /// Ships the units of an order at this moment.
    pub fn ship_order_at(&self, id: OrderId, moment: Timestamp) {
        self.damage(|tables| {
            for ((order_id, _), row) in &mut tables.allocations {
                if *order_id == id {
                    row.shipped_at = Some(moment);
                }
            }
        });
    }

    /// Moves the acceptance of an order to this moment, and takes it out of the outbox.
    pub fn forget_order_since(&self, id: OrderId, moment: Timestamp) {
        self.damage(|tables| {
            if let Some(row) = tables.orders.get_mut(&id) {
                row.created_at = moment;
            }
            tables
                .outbox
                .retain(|_, row| row.orders.iter().all(|order| order.order_id != id));
        });
    }

    /// Starts to number from the beginning.
    pub fn reset_numbers(&self) {
        self.shared().forget_numbers();
    }

    fn damage(&self, damage: impl FnOnce(&mut Tables)) {
        let mut tables = Tables::clone(&self.committed());
        damage(&mut tables);
        self.shared().replace(Arc::new(tables));
    }
}
