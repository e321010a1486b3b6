//! From the symbols of a sequence to values, in the model's terms.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::identifiers::{BatchDigest, OrderId, ProductId, VendorId};
use domain::ports::{NewOrder, OutboxId};
use domain::report::Report;
use domain::timestamp::Timestamp;
use domain::vendor_set::ConfiguredVendor;

use super::operations::{
    Asked, DIGESTS, KEYS, Moment, PRODUCTS, Product, Said, Shift, Slot, Span, VENDORS, Vendor,
};
use super::pairs::SharedPairs;
use crate::builders::{key, request, with_feed};

/// Longer than any sequence takes.
const VERY_LONG: Duration = Duration::from_hours(1);

/// An id that no order has.
const NO_ORDER: OrderId = OrderId(i64::MAX);

pub(super) fn product(product: Product) -> ProductId {
    crate::builders::product(PRODUCTS[product])
}

pub(super) fn products(products: &[Product]) -> Vec<ProductId> {
    products.iter().map(|&it| product(it)).collect()
}

pub(super) fn vendor(vendor: Vendor) -> VendorId {
    crate::builders::vendor(VENDORS[vendor])
}

pub(super) fn vendors(vendors: &[Vendor]) -> Vec<VendorId> {
    vendors.iter().map(|&it| vendor(it)).collect()
}

/// Vendors with their sources; the last has its stock entered by hand.
pub(super) fn configured(vendors: &[Vendor]) -> Vec<ConfiguredVendor> {
    let vendors = vendors.iter();
    vendors
        .map(|&it| {
            if it + 1 == VENDORS.len() {
                ConfiguredVendor {
                    vendor_id: vendor(it),
                    source: None,
                }
            } else {
                with_feed(vendor(it))
            }
        })
        .collect()
}

pub(super) fn span(span: Span) -> Duration {
    match span {
        Span::None => Duration::ZERO,
        Span::VeryLong => VERY_LONG,
    }
}

pub(super) fn new_order(asked: &Asked) -> NewOrder {
    NewOrder {
        request: request(PRODUCTS[asked.product], asked.units),
        key: asked.key.map(|it| key(KEYS[it].0, KEYS[it].1)),
        batch: asked
            .batch
            .filter(|_| asked.key.is_some())
            .map(|it| BatchDigest::parse(DIGESTS[it]).unwrap()),
    }
}

/// Which orders and moments the names of a sequence came to stand for.
#[derive(Default)]
pub(super) struct Cast {
    orders: BTreeMap<Slot, OrderId>,
    moments: BTreeMap<Moment, Timestamp>,
}

impl Cast {
    pub(super) fn took(&mut self, slot: Slot, id: OrderId) {
        self.orders.insert(slot, id);
    }

    pub(super) fn remember(&mut self, moment: Moment, told: Timestamp) {
        self.moments.insert(moment, told);
    }

    /// The order of a slot; where nothing came of it, an id that no order has.
    pub(super) fn order(&self, slot: Slot) -> OrderId {
        self.orders.get(&slot).copied().unwrap_or(NO_ORDER)
    }

    pub(super) fn orders(&self, slots: &[Slot]) -> Vec<OrderId> {
        slots.iter().map(|&slot| self.order(slot)).collect()
    }

    /// Every order that was ever asked for.
    pub(super) fn all_orders(&self) -> Vec<OrderId> {
        self.orders.values().copied().collect()
    }

    /// The entries that were claimed of the orders in these slots.
    pub(super) fn entries(&self, slots: &[Slot], pairs: &SharedPairs) -> Vec<OutboxId> {
        entries_of(&self.orders(slots), pairs)
    }

    /// A remembered moment; if asking for it failed, one before all others.
    pub(super) fn moment(&self, moment: Moment) -> Timestamp {
        self.moments
            .get(&moment)
            .copied()
            .unwrap_or(Timestamp::from_micros(0))
    }

    /// A moment before or after it.
    pub(super) fn near(&self, moment: Moment, shift: Shift, pairs: &SharedPairs) -> Timestamp {
        let moment = self.moment(moment);
        let derive = |moment: Timestamp| match shift {
            Shift::LongBefore => moment.minus(VERY_LONG),
            Shift::At => moment,
            Shift::LongAfter => moment.plus(VERY_LONG),
        };
        pairs.with(|pairs| pairs.derive(moment, derive))
    }

    pub(super) fn report(&self, said: &Said, pairs: &SharedPairs) -> Report {
        let as_of = said
            .as_of
            .map(|(moment, shift)| self.near(moment, shift, pairs));
        let lines = said
            .lines
            .iter()
            .map(|(&it, &units)| (product(it), i64::from(units)));
        Report::parse(said.kind, as_of, lines).unwrap()
    }
}

/// The entries that were claimed of these orders.
pub(super) fn entries_of(order_ids: &[OrderId], pairs: &SharedPairs) -> Vec<OutboxId> {
    pairs.with(|pairs| {
        let found = order_ids.iter().filter_map(|&id| pairs.entry_of(id));
        found.collect()
    })
}
