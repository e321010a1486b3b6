//! Equivalence of results. Ids are compared by the pairs that correspond, timestamps by the guarantees of the ports, and all
//! other values for equality.

use std::collections::BTreeMap;

use domain::comparison::ReportedStock;
use domain::identifiers::{OrderId, ProductId};
use domain::order::Order;
use domain::pacing::VendorPause;
use domain::ports::{
    Acceptance, FirstSyncs, LockedBatch, LockedStock, LockedVendor, OperatorPause, OutboxEntry,
    OutboxLag, ProductDetail, QueuedOrder, ReportedTotals, StockLevel, StoredPause,
    StoredVendorSet, SwitchedVendors, VendorLevel, VendorRename, VendorSetRecord, VendorSyncState,
};
use domain::settlement::PendingOrder;
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSource};

use crate::pairs::{Pairs, TimestampOf};

/// A result of the model that can be compared with the adapter's.
pub(super) trait Equivalent {
    /// Returns whether the adapter's result is equivalent. Ids that both stores have just generated are paired.
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool;
}

macro_rules! equivalent_if_equal {
    ($($name:ty),+) => {
        $(impl Equivalent for $name {
            fn is_equivalent(&self, real: &Self, _: &mut Pairs) -> bool {
                self == real
            }
        })+
    };
}

equivalent_if_equal!(
    (),
    bool,
    u64,
    ProductId,
    BTreeMap<ProductId, u64>,
    (ProductId, u32),
    ReportedTotals,
    ConfiguredVendor,
    VendorSource,
    VendorRename,
    VendorSetRecord
);

impl<T: Equivalent> Equivalent for Vec<T> {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.len() == real.len()
            && self
                .iter()
                .zip(real)
                .all(|(model, real)| model.is_equivalent(real, pairs))
    }
}

impl<T: Equivalent> Equivalent for Option<T> {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        match (self, real) {
            (Some(model), Some(real)) => model.is_equivalent(real, pairs),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A timestamp that was passed to the store, or that the store returned before.
impl Equivalent for Timestamp {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.timestamp(*self) == *real
    }
}

impl Equivalent for Order {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(self.id) == real.id
            && self.product_id == real.product_id
            && self.quantity == real.quantity
            && self.state == real.state
            && pairs.changed_together(
                TimestampOf::Creation(self.id),
                self.created_at,
                real.created_at,
            )
            && pairs.changed_together(
                TimestampOf::Update(self.id),
                self.updated_at,
                real.updated_at,
            )
    }
}

/// An order id without its order refers to an order that both stores have.
impl Equivalent for OrderId {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(*self) == *real
    }
}

impl Equivalent for LockedStock {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.locked.is_equivalent(&real.locked, pairs) && self.held == real.held
    }
}

impl Equivalent for LockedBatch {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.pending.is_equivalent(&real.pending, pairs)
            && self.stock.is_equivalent(&real.stock, pairs)
    }
}

impl Equivalent for Acceptance {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        match (self, real) {
            (Self::Created(model), Self::Created(real)) => {
                pairs.created(model.id, real.id) && model.is_equivalent(real, pairs)
            }
            (Self::Existing(model), Self::Existing(real)) => model.is_equivalent(real, pairs),
            (Self::KeyReused, Self::KeyReused) => true,
            _ => false,
        }
    }
}

impl Equivalent for PendingOrder {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(self.id) == real.id && self.request == real.request
    }
}

impl Equivalent for OutboxEntry {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        let is_equivalent = |pairs: &mut Pairs, (ours, theirs): (&QueuedOrder, &QueuedOrder)| {
            pairs.order(ours.order_id) == theirs.order_id
                && ours.product_id == theirs.product_id
                && pairs.claimed(ours.order_id, self.id, real.id)
        };
        self.orders.len() == real.orders.len()
            && self
                .orders
                .iter()
                .zip(&real.orders)
                .all(|both| is_equivalent(pairs, both))
    }
}

/// The age depends on the speed of the machine; its presence depends on the store.
impl Equivalent for OutboxLag {
    fn is_equivalent(&self, real: &Self, _: &mut Pairs) -> bool {
        self.oldest.is_some() == real.oldest.is_some()
    }
}

impl Equivalent for SwitchedVendors {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.on == real.on
            && self.products == real.products
            && self.configured.is_equivalent(&real.configured, pairs)
    }
}

impl Equivalent for StoredVendorSet {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.record == real.record && self.configured.is_equivalent(&real.configured, pairs)
    }
}

/// The timestamp is generated by each store and was not returned before.
impl Equivalent for SetMember {
    fn is_equivalent(&self, real: &Self, _: &mut Pairs) -> bool {
        self.vendor == real.vendor && self.configured_at.is_some() == real.configured_at.is_some()
    }
}

/// The timestamps are generated by each store and were not returned before.
impl Equivalent for FirstSyncs {
    fn is_equivalent(&self, real: &Self, _: &mut Pairs) -> bool {
        self.untried.is_some() == real.untried.is_some()
    }
}

impl Equivalent for LockedVendor {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.history(&self.history) == real.history
            && self.configured_at.is_some() == real.configured_at.is_some()
    }
}

/// The timestamp of a shipment is generated by each store and was not returned before.
impl Equivalent for ReportedStock {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.product_id == real.product_id
            && self.reported == real.reported
            && self.as_of.is_equivalent(&real.as_of, pairs)
            && self.requested_at.is_equivalent(&real.requested_at, pairs)
            && self.oldest_shipment.is_some() == real.oldest_shipment.is_some()
    }
}

impl Equivalent for VendorSyncState {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.history(&self.history) == real.history
            && self.configured_at.is_some() == real.configured_at.is_some()
            && self.has_stock == real.has_stock
            && self.has_future_shipments == real.has_future_shipments
            && self.has_unmarked_shipments == real.has_unmarked_shipments
            && self.has_quarantined_lines == real.has_quarantined_lines
    }
}

impl Equivalent for VendorPause {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.pause(self) == *real
    }
}

/// The timestamp of the read is generated by each store.
impl Equivalent for StoredPause {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.vendor_id == real.vendor_id
            && self.pause.is_equivalent(&real.pause, pairs)
            && self.operator.is_equivalent(&real.operator, pairs)
    }
}

/// The time of the pause is generated by each store.
impl Equivalent for OperatorPause {
    fn is_equivalent(&self, real: &Self, _: &mut Pairs) -> bool {
        self.reason == real.reason
    }
}

impl Equivalent for VendorStock {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.as_of.is_equivalent(&real.as_of, pairs)
            && *self
                == Self {
                    as_of: self.as_of,
                    ..real.clone()
                }
    }
}

impl Equivalent for ProductStock {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.product_id == real.product_id && self.vendors.is_equivalent(&real.vendors, pairs)
    }
}

impl Equivalent for StockLevel {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        let of = TimestampOf::Stock(self.product_id.clone());
        self.product_id == real.product_id
            && self.quantity == real.quantity
            && pairs.changed_together(of, self.updated_at, real.updated_at)
    }
}

impl Equivalent for VendorLevel {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.as_of.is_equivalent(&real.as_of, pairs)
            && *self
                == Self {
                    as_of: self.as_of,
                    ..real.clone()
                }
    }
}

impl Equivalent for ProductDetail {
    fn is_equivalent(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.level.is_equivalent(&real.level, pairs)
            && self.vendors.is_equivalent(&real.vendors, pairs)
    }
}
