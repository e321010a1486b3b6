//! Values of the symbols of a sequence, in the model's terms.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::identifiers::{BatchDigest, OrderId, ProductId, VendorId};
use domain::ports::{NewOrder, OutboxId};
use domain::report::Report;
use domain::timestamp::Timestamp;
use domain::vendor_set::ConfiguredVendor;

use crate::operations::{
    DIGESTS, InstantName, KEYS, OrderSpec, PRODUCTS, Product, ReportSpec, Shift, Slot, Span,
    VENDORS, Vendor,
};
use crate::pairs::SharedPairs;
use port_contracts::builders::{key, request, with_feed};

/// Longer than any sequence runs.
const VERY_LONG: Duration = Duration::from_hours(1);

/// An id that no order has.
const NO_ORDER: OrderId = OrderId(i64::MAX);

pub(super) fn product(product: Product) -> ProductId {
    port_contracts::builders::product(PRODUCTS[product])
}

pub(super) fn products(products: &[Product]) -> Vec<ProductId> {
    products.iter().map(|&it| product(it)).collect()
}

pub(super) fn vendor(vendor: Vendor) -> VendorId {
    port_contracts::builders::vendor(VENDORS[vendor])
}

pub(super) fn vendors(vendors: &[Vendor]) -> Vec<VendorId> {
    vendors.iter().map(|&it| vendor(it)).collect()
}

/// Returns vendors with their sources; the last vendor has none, because its stock is entered by hand.
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

pub(super) fn new_order(order_spec: &OrderSpec) -> NewOrder {
    NewOrder {
        request: request(PRODUCTS[order_spec.product], order_spec.units),
        key: order_spec.key.map(|it| key(KEYS[it].0, KEYS[it].1)),
        batch: order_spec
            .batch
            .filter(|_| order_spec.key.is_some())
            .map(|it| BatchDigest::parse(DIGESTS[it]).unwrap()),
        trace: None,
    }
}

/// The orders and timestamps that the symbols of a sequence are bound to.
#[derive(Default)]
pub(super) struct Bindings {
    orders: BTreeMap<Slot, OrderId>,
    instants: BTreeMap<InstantName, Timestamp>,
}

impl Bindings {
    pub(super) fn bind_order(&mut self, slot: Slot, id: OrderId) {
        self.orders.insert(slot, id);
    }

    pub(super) fn bind_time(&mut self, instant: InstantName, timestamp: Timestamp) {
        self.instants.insert(instant, timestamp);
    }

    /// Returns the order of a slot, or an id that no order has if the slot is unbound.
    pub(super) fn order(&self, slot: Slot) -> OrderId {
        self.orders.get(&slot).copied().unwrap_or(NO_ORDER)
    }

    pub(super) fn orders(&self, slots: &[Slot]) -> Vec<OrderId> {
        slots.iter().map(|&slot| self.order(slot)).collect()
    }

    /// Returns every order that was accepted in the sequence.
    pub(super) fn all_orders(&self) -> Vec<OrderId> {
        self.orders.values().copied().collect()
    }

    /// Returns the claimed outbox entries of the orders in these slots.
    pub(super) fn entries(&self, slots: &[Slot], pairs: &SharedPairs) -> Vec<OutboxId> {
        entries_of(&self.orders(slots), pairs)
    }

    /// Returns a recorded timestamp, or one before all others if reading the clock failed.
    pub(super) fn instant(&self, instant: InstantName) -> Timestamp {
        self.instants
            .get(&instant)
            .copied()
            .unwrap_or(Timestamp::from_micros(0))
    }

    /// Returns a timestamp before, at or after a recorded one.
    pub(super) fn near(
        &self,
        instant: InstantName,
        shift: Shift,
        pairs: &SharedPairs,
    ) -> Timestamp {
        let instant = self.instant(instant);
        let derive = |instant: Timestamp| match shift {
            Shift::LongBefore => instant.minus(VERY_LONG),
            Shift::At => instant,
            Shift::LongAfter => instant.plus(VERY_LONG),
        };
        pairs.with(|pairs| pairs.derive(instant, derive))
    }

    pub(super) fn report(&self, report_spec: &ReportSpec, pairs: &SharedPairs) -> Report {
        let as_of = report_spec
            .as_of
            .map(|(instant, shift)| self.near(instant, shift, pairs));
        let lines = report_spec
            .lines
            .iter()
            .map(|(&it, &units)| (product(it), i64::from(units)));
        Report::parse(report_spec.kind, as_of, lines).unwrap()
    }
}

/// Returns the claimed outbox entries of these orders.
pub(super) fn entries_of(order_ids: &[OrderId], pairs: &SharedPairs) -> Vec<OutboxId> {
    pairs.with(|pairs| {
        let found = order_ids.iter().filter_map(|&id| pairs.entry_of(id));
        found.collect()
    })
}
