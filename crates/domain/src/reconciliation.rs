//! The decision on a vendor's report: which positions change, given what is in flight.
//!
//! A sold unit stays in flight until a report is proven to know of it. So a report sets `reported`, and takes off
//! `in_flight` exactly the units that it is the first to know of; it never derives one from the other.

use std::collections::BTreeMap;

use crate::identifiers::{ProductId, VendorId};
use crate::report::Report;
use crate::stock::{Imbalance, ProductStock, StockChange, VendorStock};
use crate::timestamp::Timestamp;

/// Whether a report with this effective as-of includes a shipment: the vendor's own count then no longer holds the unit.
/// Strictly later, so that an instant that both share counts as not included.
#[must_use]
pub fn includes_shipment(as_of: Timestamp, shipped_at: Timestamp) -> bool {
    shipped_at < as_of
}

/// Decides what a report changes in the given products.
///
/// `stock` holds their locked positions, `newly_known` the shipped units of this vendor that this report is the first
/// to include, and `as_of` orders the report. `is_expired` is whether it is older than the vendor's `max_age` allows. Products that come out as they were are left out, unless their position is
/// of a later report, which is possible only if the store's clock was ahead.
///
/// # Errors
/// [`Imbalance`] if more units become known than are in flight; then nothing may be written.
pub fn reconcile(
    vendor_id: &VendorId,
    report: &Report,
    as_of: Timestamp,
    stock: Vec<ProductStock>,
    newly_known: &BTreeMap<ProductId, u64>,
    is_expired: bool,
) -> Result<Vec<StockChange>, Imbalance> {
    let mut changes = Vec::new();
    for mut product in stock {
        let before = product.vendor(vendor_id).cloned();
        let Some(reported) = report
            .quantity_of(&product.product_id)
            .or(before.as_ref().map(|position| position.reported))
        else {
            continue;
        };
        let was_in_flight = before.as_ref().map_or(0, |position| position.in_flight);
        let known = newly_known.get(&product.product_id).copied().unwrap_or(0);
        let in_flight = u32::try_from(known)
            .ok()
            .and_then(|known| was_in_flight.checked_sub(known))
            .ok_or_else(|| Imbalance {
                product_id: product.product_id.clone(),
                vendor_id: vendor_id.clone(),
            })?;
        let after = VendorStock {
            vendor_id: vendor_id.clone(),
            reported,
            in_flight,
            as_of,
            configured: before.as_ref().is_none_or(|position| position.configured),
            is_expired,
        };
        let same = before.as_ref().is_some_and(|position| {
            position.reported == after.reported
                && position.in_flight == after.in_flight
                && position.is_expired == after.is_expired
                && position.as_of <= after.as_of
        });
        if same {
            continue;
        }
        match product.vendor_mut(vendor_id) {
            Some(position) => *position = after.clone(),
            None => product.vendors.push(after.clone()),
        }
        changes.push(StockChange {
            quantity: product.quantity(),
            product_id: product.product_id,
            vendors: vec![after],
        });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::ReportKind;

    fn vendor(name: &str) -> VendorId {
        VendorId::parse(name).unwrap()
    }

    fn product(name: &str) -> ProductId {
        ProductId::parse(name).unwrap()
    }

    fn position(vendor_id: &str, reported: u32, in_flight: u32) -> VendorStock {
        VendorStock {
            vendor_id: vendor(vendor_id),
            reported,
            in_flight,
            as_of: Timestamp::from_micros(1),
            configured: true,
            is_expired: false,
        }
    }

    fn stock(vendors: Vec<VendorStock>) -> Vec<ProductStock> {
        vec![ProductStock {
            product_id: product("p"),
            vendors,
        }]
    }

    fn report(kind: ReportKind, lines: &[(&str, i64)]) -> Report {
        let lines = lines.iter().map(|&(name, units)| (product(name), units));
        Report::parse(kind, None, lines).unwrap()
    }

    fn apply(
        report: &Report,
        stock: Vec<ProductStock>,
        known: u64,
    ) -> Result<Vec<StockChange>, Imbalance> {
        let known = BTreeMap::from([(product("p"), known)]);
        reconcile(
            &vendor("a"),
            report,
            Timestamp::from_micros(9),
            stock,
            &known,
            false,
        )
    }

    #[test]
    fn the_same_report_after_a_sale_changes_nothing() {
        let full = report(ReportKind::Full, &[("p", 50)]);
        let changes = apply(&full, stock(vec![position("a", 50, 30)]), 0).unwrap();
        assert!(changes.is_empty());
    }

    #[test]
    fn a_report_that_knows_of_the_shipment_deducts_it_once() {
        let full = report(ReportKind::Full, &[("p", 20)]);
        let changes = apply(&full, stock(vec![position("a", 50, 30)]), 30).unwrap();
        assert_eq!(changes[0].quantity, 20);
        assert_eq!(changes[0].vendors[0].in_flight, 0);
    }

    #[test]
    fn a_product_missing_from_a_full_report_has_none_and_from_a_delta_stays() {
        let held = stock(vec![position("a", 50, 10), position("b", 7, 0)]);
        let full = apply(&report(ReportKind::Full, &[]), held.clone(), 0).unwrap();
        assert_eq!(full[0].quantity, 7);
        assert_eq!(
            full[0].vendors,
            [VendorStock {
                as_of: Timestamp::from_micros(9),
                ..position("a", 0, 10)
            }]
        );
        let delta = apply(&report(ReportKind::Delta, &[]), held, 0).unwrap();
        assert!(delta.is_empty());
    }

    #[test]
    fn a_report_that_is_too_old_leaves_nothing_to_sell_and_the_next_one_all() {
        let full = report(ReportKind::Full, &[("p", 50)]);
        let apply = |stock, is_expired| {
            let as_of = Timestamp::from_micros(9);
            reconcile(
                &vendor("a"),
                &full,
                as_of,
                stock,
                &BTreeMap::new(),
                is_expired,
            )
            .unwrap()
        };
        let expired = apply(stock(vec![position("a", 50, 10)]), true);
        assert_eq!(
            (expired[0].quantity, expired[0].vendors[0].reported),
            (0, 50)
        );
        let recent = apply(stock(expired[0].vendors.clone()), false);
        assert_eq!(recent[0].quantity, 40);
        assert!(apply(stock(recent[0].vendors.clone()), false).is_empty());
    }

    #[test]
    fn two_vendors_add_up() {
        let full = report(ReportKind::Full, &[("p", 5)]);
        let changes = apply(&full, stock(vec![position("b", 7, 1)]), 0).unwrap();
        assert_eq!(changes[0].quantity, 11);
        assert_eq!(changes[0].vendors.len(), 1);
    }

    #[test]
    fn more_known_than_in_flight_is_refused() {
        let full = report(ReportKind::Full, &[("p", 5)]);
        assert!(apply(&full, stock(vec![position("a", 50, 3)]), 4).is_err());
    }

    proptest! {
        /// P3 as a model: a vendor's warehouse, sales, shipments and reports that are late by any amount. What is sold
        /// never exceeds what the warehouse held, and a report that knows everything leaves exactly what is there.
        #[test]
        fn a_late_report_never_brings_sold_stock_back(
            start in 1_u32..60,
            steps in prop::collection::vec((0_u8..3, 1_u32..9, 0_usize..6), 1..60),
        ) {
            let mut warehouse = start;
            let mut now = 10_i64;
            let mut history = vec![(now, warehouse)];
            let mut shelf = position("a", start, 0);
            let mut confirmed: u32 = 0;
            let mut shipped: Vec<(Timestamp, u32, bool)> = Vec::new();
            let mut last_as_of = Timestamp::from_micros(now);
            let mut sold = 0;

            for (kind, units, lateness) in steps {
                now += 10;
                match kind {
                    0 => {
                        let taken = units.min(shelf.available());
                        shelf.in_flight += taken;
                        confirmed += taken;
                        sold += taken;
                    }
                    1 => {
                        let leaving = units.min(confirmed);
                        confirmed -= leaving;
                        warehouse -= leaving;
                        shipped.push((Timestamp::from_micros(now), leaving, false));
                        history.push((now, warehouse));
                    }
                    _ => {
                        let (moment, count) = history[history.len().saturating_sub(1 + lateness)];
                        // True from that change until just before the next one: take its first instant after.
                        let as_of = Timestamp::from_micros(moment + 1);
                        if as_of < last_as_of {
                            continue;
                        }
                        last_as_of = as_of;
                        let mut known = 0;
                        for entry in shipped.iter_mut().filter(|entry| !entry.2) {
                            if includes_shipment(as_of, entry.0) {
                                entry.2 = true;
                                known += u64::from(entry.1);
                            }
                        }
                        let full = report(ReportKind::Full, &[("p", i64::from(count))]);
                        let changes = apply(&full, stock(vec![shelf.clone()]), known).unwrap();
                        if let Some(change) = changes.into_iter().next() {
                            shelf = change.vendors[0].clone();
                        }
                    }
                }
                prop_assert!(sold <= start);
                prop_assert_eq!(u64::from(shelf.available()) + u64::from(sold), u64::from(start));
            }
        }
    }
}
