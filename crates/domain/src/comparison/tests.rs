//! Tests of the comparison of reports with stock rows, and of the merge in pages against a comparison product by product.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NOW: i64 = 100;

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

fn report(kind: ReportKind, lines: &BTreeMap<u8, u32>) -> Report {
    let lines = lines.iter();
    let lines = lines.map(|(number, units)| (product(*number), i64::from(*units)));
    Report::parse(kind, None, lines).unwrap()
}

fn compared(report: &Report) -> Comparison<'_> {
    Comparison {
        report,
        order: ReportOrder {
            as_of: at(50),
            requested_at: at(55),
        },
        proven_as_of: Some(at(40)),
        now: at(NOW),
    }
}

/// All products that a merge finds, with the rows added in pages of this size.
fn merged(comparison: Comparison<'_>, rows: &[ReportedStock], page: usize) -> Vec<Affected> {
    let mut merge = Merge::new(comparison);
    let mut rest = rows;
    let mut found = Vec::new();
    loop {
        match merge.step() {
            Step::Affected(affected) => found.push(affected),
            Step::End => return found,
            Step::NeedsRows => {
                let (next, later) = rest.split_at(page.min(rest.len()));
                // Like the use case: a page that is not full is the last one.
                merge.add_rows(next.to_vec(), next.len() < page);
                rest = later;
            }
        }
    }
}

#[test]
fn a_full_report_affects_changed_quantities_and_newly_included_shipments() {
    let report = report(ReportKind::Full, &BTreeMap::new());
    let comparison = compared(&report);
    assert!(!comparison.affects(Some(5), Some(&row(1, 5))));
    assert!(comparison.affects(Some(5), Some(&row(1, 4))));
    assert!(comparison.affects(Some(0), None));
    assert!(!comparison.affects(None, None));
    assert!(comparison.affects(None, Some(&row(1, 4))));
    assert!(!comparison.affects(None, Some(&row(1, 0))));
    let shipped = |micros| ReportedStock {
        oldest_shipment: Some(at(micros)),
        ..row(1, 5)
    };
    assert!(comparison.affects(Some(5), Some(&shipped(39))));
    assert!(!comparison.affects(Some(5), Some(&shipped(40))));
    let unproven = Comparison {
        proven_as_of: None,
        ..comparison
    };
    assert!(!unproven.affects(Some(5), Some(&shipped(39))));
}

#[test]
fn a_delta_affects_rows_that_are_not_newer() {
    let report = report(ReportKind::Delta, &BTreeMap::new());
    let comparison = compared(&report);
    let of = |as_of, requested_at: Option<i64>| ReportedStock {
        as_of: at(as_of),
        requested_at: requested_at.map(at),
        ..row(1, 5)
    };
    assert!(comparison.affects(Some(5), Some(&of(49, Some(99)))));
    assert!(comparison.affects(Some(5), Some(&of(50, None))));
    assert!(comparison.affects(Some(5), Some(&of(50, Some(55)))));
    assert!(!comparison.affects(Some(5), Some(&of(50, Some(56)))));
    assert!(!comparison.affects(Some(5), Some(&of(51, None))));
    assert!(comparison.affects(Some(5), None));
    assert!(!comparison.affects(None, Some(&of(1, None))));
}

#[test]
fn rows_with_instants_in_the_future_are_always_affected() {
    let future = [
        ReportedStock {
            as_of: at(NOW + 1),
            ..row(1, 5)
        },
        ReportedStock {
            requested_at: Some(at(NOW + 1)),
            ..row(1, 5)
        },
    ];
    for kind in [ReportKind::Full, ReportKind::Delta] {
        let report = report(kind, &BTreeMap::new());
        for row in &future {
            assert!(compared(&report).affects(Some(5), Some(row)));
        }
    }
}

proptest! {
    #[test]
    fn a_merge_finds_the_same_products_as_comparing_each_product(
        lines in prop::collection::btree_map(0_u8..40, 0_u32..4, 0..30),
        rows in prop::collection::btree_map(0_u8..40, 0_u32..4, 0..30),
        page in 1_usize..9,
    ) {
        let report = report(ReportKind::Full, &lines);
        let comparison = compared(&report);
        let stored: Vec<ReportedStock> = rows.iter().map(|(number, units)| row(*number, *units)).collect();
        let numbers: BTreeSet<u8> = lines.keys().chain(rows.keys()).copied().collect();
        let expected: Vec<Affected> = numbers
            .into_iter()
            .filter(|number| {
                let stored = rows.get(number).map(|units| row(*number, *units));
                comparison.affects(lines.get(number).copied(), stored.as_ref())
            })
            .map(|number| Affected { product_id: product(number), is_new: !rows.contains_key(&number) })
            .collect();
        prop_assert_eq!(merged(comparison, &stored, page), expected);
    }
}
