//! Tests of previews, in pages against a comparison product by product.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::evidence::ReportOrder;
use crate::report::Report;
use crate::timestamp::Timestamp;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn product(number: u8) -> ProductId {
    ProductId::parse(format!("p{number:02}")).unwrap()
}

fn row(number: u8, reported: u32) -> ReportedStock {
    ReportedStock {
        product_id: product(number),
        reported,
        as_of: at(10),
        requested_at: None,
        oldest_shipment: None,
    }
}

fn report(kind: ReportKind, lines: &[(u8, u32)]) -> Report {
    let lines = lines
        .iter()
        .map(|&(number, units)| (product(number), i64::from(units)));
    Report::parse(kind, None, lines).unwrap()
}

/// The preview of a report as of 50, with the rows added in pages of this size.
fn preview(
    report: &Report,
    rows: &[ReportedStock],
    open_orders: &BTreeMap<ProductId, OpenOrders>,
    page: usize,
) -> Preview {
    let comparison = Comparison {
        report,
        order: ReportOrder {
            as_of: at(50),
            requested_at: at(55),
        },
        proven_as_of: None,
        now: at(100),
    };
    let mut previewer = Previewer::new(comparison, open_orders);
    for rows in rows.chunks(page) {
        previewer.add_rows(rows);
    }
    previewer.finish()
}

fn change(number: u8, before: u32, after: u32) -> ProductChange {
    ProductChange {
        product_id: product(number),
        before,
        after,
    }
}

#[test]
fn full_report_is_compared_with_every_product() {
    let rows = [row(2, 10), row(3, 7), row(4, 5), row(6, 0), row(7, 9)];
    let report = report(ReportKind::Full, &[(1, 3), (2, 4), (4, 5), (7, 0), (9, 0)]);
    let preview = preview(&report, &rows, &BTreeMap::new(), 2);
    assert_eq!(
        preview.counts,
        PreviewCounts {
            added: 2,
            changed: 1,
            zeroed: 2,
            unchanged: 1,
            outdated: 0,
            not_named: 1,
        }
    );
    assert_eq!(
        preview.units,
        PreviewUnits {
            before: 31,
            after: 12,
            lost: 22,
            products_before: 4,
        }
    );
    assert_eq!(
        preview.largest,
        [
            change(7, 9, 0),
            change(3, 7, 0),
            change(2, 10, 4),
            change(1, 0, 3)
        ]
    );
}

#[test]
fn delta_keeps_products_that_it_leaves_out_and_rows_of_newer_reports() {
    let newer = ReportedStock {
        as_of: at(51),
        ..row(2, 10)
    };
    let rows = [row(1, 10), newer, row(3, 7)];
    let report = report(ReportKind::Delta, &[(1, 0), (2, 4), (5, 1)]);
    let preview = preview(&report, &rows, &BTreeMap::new(), 3);
    assert_eq!(
        preview.counts,
        PreviewCounts {
            added: 1,
            zeroed: 1,
            outdated: 1,
            not_named: 1,
            ..PreviewCounts::default()
        }
    );
    assert_eq!((preview.units.before, preview.units.after), (27, 18));
}

#[test]
fn five_largest_changes_and_shortages_are_listed_and_all_are_counted() {
    let rows: Vec<ReportedStock> = (1..=9).map(|number| row(number, 100)).collect();
    let lines: Vec<(u8, u32)> = (1..=9).map(|number| (number, u32::from(number))).collect();
    let open = OpenOrders {
        unshipped: 4,
        pending: Vec::new(),
    };
    let open_orders = (1..=9)
        .map(|number| (product(number), open.clone()))
        .collect();
    let preview = preview(&report(ReportKind::Full, &lines), &rows, &open_orders, 4);
    let listed: Vec<ProductChange> = (1..=5)
        .map(|number| change(number, 100, u32::from(number)))
        .collect();
    assert_eq!(preview.largest, listed);
    assert_eq!((preview.counts.changed, preview.short), (9, 3));
    let shortages: Vec<_> = preview
        .shortages
        .iter()
        .map(|shortage| (shortage.after, shortage.unshipped))
        .collect();
    assert_eq!(shortages, [(1, 4), (2, 4), (3, 4)]);
}

#[test]
fn quantities_of_products_with_pending_orders_are_returned() {
    let open = OpenOrders {
        unshipped: 0,
        pending: vec![Quantity::parse(1).unwrap()],
    };
    let open_orders = (1..=4)
        .map(|number| (product(number), open.clone()))
        .collect();
    let report = report(ReportKind::Full, &[(2, 5), (3, 6)]);
    let preview = preview(&report, &[row(1, 4), row(2, 4)], &open_orders, 1);
    let expected = [(product(1), 0), (product(2), 5), (product(3), 6)];
    assert_eq!(preview.pending, BTreeMap::from(expected));
}

#[test]
fn orders_that_the_units_do_not_cover_are_skipped() {
    let wanted = [4, 9, 2, 1].map(|units| Quantity::parse(units).unwrap());
    assert_eq!(confirmable(7, &wanted), 3);
    assert_eq!(confirmable(3, &wanted), 2);
    assert_eq!(confirmable(0, &wanted), 0);
    assert_eq!(confirmable(0, &[]), 0);
}

proptest! {
    #[test]
    fn counts_add_up_to_the_products_and_units_to_the_quantities(
        is_full: bool,
        lines in prop::collection::btree_map(0_u8..30, 0_u32..5, 0..20),
        stored in prop::collection::btree_map(0_u8..30, (0_u32..5, 40_i64..60), 0..20),
        page in 1_usize..5,
    ) {
        let kind = if is_full { ReportKind::Full } else { ReportKind::Delta };
        let rows: Vec<ReportedStock> = stored
            .iter()
            .map(|(&number, &(units, as_of))| ReportedStock { as_of: at(as_of), ..row(number, units) })
            .collect();
        let all: BTreeSet<u8> = lines.keys().chain(stored.keys()).copied().collect();
        let listed: Vec<(u8, u32)> = lines.iter().map(|(&number, &units)| (number, units)).collect();
        let preview = preview(&report(kind, &listed), &rows, &BTreeMap::new(), page);
        prop_assert_eq!(preview.counts.total(), all.len() as u64);
        let before: u32 = stored.values().map(|(units, _)| units).sum();
        prop_assert_eq!(preview.units.before, u64::from(before));
        let after: u32 = all
            .iter()
            .map(|number| {
                let held = stored.get(number).copied();
                match (lines.get(number), held, kind) {
                    (Some(_), Some((units, as_of)), ReportKind::Delta) if as_of > 50 => units,
                    (Some(units), ..) => *units,
                    (None, _, ReportKind::Full) => 0,
                    (None, held, ReportKind::Delta) => held.map_or(0, |(units, _)| units),
                }
            })
            .sum();
        prop_assert_eq!(preview.units.after, u64::from(after));
        prop_assert!(preview.units.lost >= preview.units.before.saturating_sub(preview.units.after));
    }
}
