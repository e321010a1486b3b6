//! The decision on a vendor's report: the vendor stock rows that change, given the units in flight.
//!
//! A sold unit stays in flight until a report is proven to include it. Therefore a report sets `reported`, and subtracts
//! from `in_flight` exactly the units that it is the first to include; neither number is derived from the other.

use std::collections::BTreeMap;

use crate::identifiers::{ProductId, VendorId};
use crate::report::Report;
use crate::stock::{Imbalance, ProductStock, StockChange, VendorStock};
use crate::timestamp::Timestamp;

/// Whether a report with this effective as-of includes a shipment: the vendor's own count then no longer contains the units.
/// The as-of must be strictly later: at the same instant, the shipment counts as not included.
#[must_use]
pub fn includes_shipment(as_of: Timestamp, shipped_at: Timestamp) -> bool {
    shipped_at < as_of
}

/// Decides the changes that a report makes to the given products.
///
/// `stock` contains their locked stock rows, `newly_included` the shipped units of this vendor that this report is the first
/// to include. `as_of` is the as-of that orders the report. `is_expired` is whether the report is older than the vendor's
/// `max_age` allows. Unchanged products are left out, unless their row is of a later report, which is possible only if the
/// store's clock was ahead.
///
/// # Errors
/// [`Imbalance`] if more units are newly included than are in flight; then nothing may be written.
pub fn reconcile(
    vendor_id: &VendorId,
    report: &Report,
    as_of: Timestamp,
    stock: Vec<ProductStock>,
    newly_included: &BTreeMap<ProductId, u64>,
    is_expired: bool,
) -> Result<Vec<StockChange>, Imbalance> {
    let mut changes = Vec::new();
    for mut product in stock {
        let before = product.vendor(vendor_id).cloned();
        let Some(reported) = report
            .quantity_of(&product.product_id)
            .or(before.as_ref().map(|row| row.reported))
        else {
            continue;
        };
        let previous_in_flight = before.as_ref().map_or(0, |row| row.in_flight);
        let included = newly_included
            .get(&product.product_id)
            .copied()
            .unwrap_or(0);
        let in_flight = u32::try_from(included)
            .ok()
            .and_then(|included| previous_in_flight.checked_sub(included))
            .ok_or_else(|| Imbalance {
                product_id: product.product_id.clone(),
                vendor_id: vendor_id.clone(),
            })?;
        let after = VendorStock {
            vendor_id: vendor_id.clone(),
            reported,
            in_flight,
            as_of,
            configured: before.as_ref().is_none_or(|row| row.configured),
            is_expired,
        };
        let is_unchanged = before.as_ref().is_some_and(|row| {
            row.reported == after.reported
                && row.in_flight == after.in_flight
                && row.is_expired == after.is_expired
                && row.as_of <= after.as_of
        });
        if is_unchanged {
            continue;
        }
        match product.vendor_mut(vendor_id) {
            Some(row) => *row = after.clone(),
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

    fn vendor_stock(vendor_id: &str, reported: u32, in_flight: u32) -> VendorStock {
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
        included: u64,
    ) -> Result<Vec<StockChange>, Imbalance> {
        let included = BTreeMap::from([(product("p"), included)]);
        reconcile(
            &vendor("a"),
            report,
            Timestamp::from_micros(9),
            stock,
            &included,
            false,
        )
    }

    #[test]
    fn the_same_report_after_a_sale_changes_nothing() {
        let full = report(ReportKind::Full, &[("p", 50)]);
        let changes = apply(&full, stock(vec![vendor_stock("a", 50, 30)]), 0).unwrap();
        assert!(changes.is_empty());
    }

    #[test]
    fn a_report_that_includes_a_shipment_deducts_it_once() {
        let full = report(ReportKind::Full, &[("p", 20)]);
        let changes = apply(&full, stock(vec![vendor_stock("a", 50, 30)]), 30).unwrap();
        assert_eq!(changes[0].quantity, 20);
        assert_eq!(changes[0].vendors[0].in_flight, 0);
    }

    #[test]
    fn a_product_missing_from_a_full_report_is_set_to_0_and_from_a_delta_is_unchanged() {
        let held = stock(vec![vendor_stock("a", 50, 10), vendor_stock("b", 7, 0)]);
        let full = apply(&report(ReportKind::Full, &[]), held.clone(), 0).unwrap();
        assert_eq!(full[0].quantity, 7);
        assert_eq!(
            full[0].vendors,
            [VendorStock {
                as_of: Timestamp::from_micros(9),
                ..vendor_stock("a", 0, 10)
            }]
        );
        let delta = apply(&report(ReportKind::Delta, &[]), held, 0).unwrap();
        assert!(delta.is_empty());
    }

    #[test]
    fn an_expired_report_makes_stock_unavailable_until_a_recent_one() {
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
        let expired = apply(stock(vec![vendor_stock("a", 50, 10)]), true);
        assert_eq!(
            (expired[0].quantity, expired[0].vendors[0].reported),
            (0, 50)
        );
        let recent = apply(stock(expired[0].vendors.clone()), false);
        assert_eq!(recent[0].quantity, 40);
        assert!(apply(stock(recent[0].vendors.clone()), false).is_empty());
    }

    #[test]
    fn quantities_of_two_vendors_are_added() {
        let full = report(ReportKind::Full, &[("p", 5)]);
        let changes = apply(&full, stock(vec![vendor_stock("b", 7, 1)]), 0).unwrap();
        assert_eq!(changes[0].quantity, 11);
        assert_eq!(changes[0].vendors.len(), 1);
    }

    #[test]
    fn more_included_units_than_in_flight_is_an_imbalance() {
        let full = report(ReportKind::Full, &[("p", 5)]);
        assert!(apply(&full, stock(vec![vendor_stock("a", 50, 3)]), 4).is_err());
    }

    proptest! {
        /// Models P3: a vendor's warehouse, sales, shipments and reports that are late by any amount. The sold units never
        /// exceed the initial units of the warehouse, and a report that includes everything leaves exactly the remaining
        /// units available.
        #[test]
        fn a_late_report_never_brings_sold_stock_back(
            start in 1_u32..60,
            steps in prop::collection::vec((0_u8..3, 1_u32..9, 0_usize..6), 1..60),
        ) {
            let mut warehouse = start;
            let mut now = 10_i64;
            let mut history = vec![(now, warehouse)];
            let mut stored = vendor_stock("a", start, 0);
            let mut confirmed: u32 = 0;
            let mut shipped: Vec<(Timestamp, u32, bool)> = Vec::new();
            let mut last_as_of = Timestamp::from_micros(now);
            let mut sold = 0;

            for (kind, units, lateness) in steps {
                now += 10;
                match kind {
                    0 => {
                        let taken = units.min(stored.available());
                        stored.in_flight += taken;
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
                        let (instant, count) = history[history.len().saturating_sub(1 + lateness)];
                        // The count is true from that change until just before the next one: use the first instant after the
                        // change.
                        let as_of = Timestamp::from_micros(instant + 1);
                        if as_of < last_as_of {
                            continue;
                        }
                        last_as_of = as_of;
                        let mut included = 0;
                        for entry in shipped.iter_mut().filter(|entry| !entry.2) {
                            if includes_shipment(as_of, entry.0) {
                                entry.2 = true;
                                included += u64::from(entry.1);
                            }
                        }
                        let full = report(ReportKind::Full, &[("p", i64::from(count))]);
                        let changes = apply(&full, stock(vec![stored.clone()]), included).unwrap();
                        if let Some(change) = changes.into_iter().next() {
                            stored = change.vendors[0].clone();
                        }
                    }
                }
                prop_assert!(sold <= start);
                prop_assert_eq!(u64::from(stored.available()) + u64::from(sold), u64::from(start));
            }
        }
    }
}
