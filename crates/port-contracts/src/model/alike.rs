//! When two answers are the same answer. Numbers are compared by what they stand for, moments by what the ports promise
//! of them, everything else as it is.

use std::collections::BTreeMap;

use domain::comparison::ReportedStock;
use domain::identifiers::{OrderId, ProductId};
use domain::order::Order;
use domain::pacing::VendorPause;
use domain::ports::{
    Acceptance, FirstSyncs, LockedStock, LockedVendor, OutboxEntry, OutboxLag, ProductDetail,
    QueuedOrder, StockLevel, StoredPause, StoredVendorSet, SwitchedVendors, VendorLevel,
    VendorRename, VendorSetRecord, VendorSyncState,
};
use domain::settlement::PendingOrder;
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember};

use super::pairs::{Of, Pairs};

/// An answer of the model that can be compared with an adapter's.
pub(super) trait Alike {
    /// Whether the adapter's answer is the same. Numbers that both have just given are paired.
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool;
}

macro_rules! alike_if_equal {
    ($($name:ty),+) => {
        $(impl Alike for $name {
            fn alike(&self, real: &Self, _: &mut Pairs) -> bool {
                self == real
            }
        })+
    };
}

alike_if_equal!(
    (),
    bool,
    u64,
    ProductId,
    BTreeMap<ProductId, u64>,
    ConfiguredVendor,
    VendorRename,
    VendorSetRecord
);

impl<T: Alike> Alike for Vec<T> {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.len() == real.len()
            && self
                .iter()
                .zip(real)
                .all(|(model, real)| model.alike(real, pairs))
    }
}

impl<T: Alike> Alike for Option<T> {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        match (self, real) {
            (Some(model), Some(real)) => model.alike(real, pairs),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A moment that the store was given, or told before.
impl Alike for Timestamp {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.moment(*self) == *real
    }
}

impl Alike for Order {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(self.id) == real.id
            && self.product_id == real.product_id
            && self.quantity == real.quantity
            && self.state == real.state
            && pairs.move_alike(Of::Creation(self.id), self.created_at, real.created_at)
            && pairs.move_alike(Of::Update(self.id), self.updated_at, real.updated_at)
    }
}

/// An id that stands alone is that of an order that both know.
impl Alike for OrderId {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(*self) == *real
    }
}

impl Alike for LockedStock {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.locked.alike(&real.locked, pairs) && self.held == real.held
    }
}

impl Alike for Acceptance {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        match (self, real) {
            (Self::Created(model), Self::Created(real)) => {
                pairs.created(model.id, real.id) && model.alike(real, pairs)
            }
            (Self::Existing(model), Self::Existing(real)) => model.alike(real, pairs),
            (Self::KeyReused, Self::KeyReused) => true,
            _ => false,
        }
    }
}

impl Alike for PendingOrder {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.order(self.id) == real.id && self.request == real.request
    }
}

impl Alike for OutboxEntry {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        let alike = |pairs: &mut Pairs, (ours, theirs): (&QueuedOrder, &QueuedOrder)| {
            pairs.order(ours.order_id) == theirs.order_id
                && ours.product_id == theirs.product_id
                && pairs.claimed(ours.order_id, self.id, real.id)
        };
        self.orders.len() == real.orders.len()
            && self
                .orders
                .iter()
                .zip(&real.orders)
                .all(|both| alike(pairs, both))
    }
}

/// An age says how fast the machine was; whether there is one says something of the store.
impl Alike for OutboxLag {
    fn alike(&self, real: &Self, _: &mut Pairs) -> bool {
        self.oldest.is_some() == real.oldest.is_some()
    }
}

impl Alike for SwitchedVendors {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.on == real.on
            && self.products == real.products
            && self.configured.alike(&real.configured, pairs)
    }
}

impl Alike for StoredVendorSet {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.record == real.record && self.configured.alike(&real.configured, pairs)
    }
}

/// The time is the stores' own and was not returned before.
impl Alike for SetMember {
    fn alike(&self, real: &Self, _: &mut Pairs) -> bool {
        self.vendor == real.vendor && self.configured_at.is_some() == real.configured_at.is_some()
    }
}

/// The times are the stores' own and were not returned before.
impl Alike for FirstSyncs {
    fn alike(&self, real: &Self, _: &mut Pairs) -> bool {
        self.untried.is_some() == real.untried.is_some()
    }
}

impl Alike for LockedVendor {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.history(&self.history) == real.history
            && self.configured_at.is_some() == real.configured_at.is_some()
    }
}

/// The time of a shipment is the stores' own and was not returned before.
impl Alike for ReportedStock {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.product_id == real.product_id
            && self.reported == real.reported
            && self.as_of.alike(&real.as_of, pairs)
            && self.requested_at.alike(&real.requested_at, pairs)
            && self.oldest_shipment.is_some() == real.oldest_shipment.is_some()
    }
}

impl Alike for VendorSyncState {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.history(&self.history) == real.history
            && self.configured_at.is_some() == real.configured_at.is_some()
            && self.has_stock == real.has_stock
            && self.has_future_shipments == real.has_future_shipments
    }
}

impl Alike for VendorPause {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        pairs.pause(self) == *real
    }
}

/// The time of the reading is the stores' own.
impl Alike for StoredPause {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.vendor_id == real.vendor_id && self.pause.alike(&real.pause, pairs)
    }
}

impl Alike for VendorStock {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.as_of.alike(&real.as_of, pairs)
            && *self
                == Self {
                    as_of: self.as_of,
                    ..real.clone()
                }
    }
}

impl Alike for ProductStock {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.product_id == real.product_id && self.vendors.alike(&real.vendors, pairs)
    }
}

impl Alike for StockLevel {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        let of = Of::Stock(self.product_id.clone());
        self.product_id == real.product_id
            && self.quantity == real.quantity
            && pairs.move_alike(of, self.updated_at, real.updated_at)
    }
}

impl Alike for VendorLevel {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.as_of.alike(&real.as_of, pairs)
            && *self
                == Self {
                    as_of: self.as_of,
                    ..real.clone()
                }
    }
}

impl Alike for ProductDetail {
    fn alike(&self, real: &Self, pairs: &mut Pairs) -> bool {
        self.level.alike(&real.level, pairs) && self.vendors.alike(&real.vendors, pairs)
    }
}
