//! Tests of the guard's decisions.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::identifiers::ProductId;

fn share(number: f64) -> Share {
    Share::parse(number).unwrap()
}

fn guard(max_drop: Option<f64>, max_flips: Option<f64>, min_rows: u64) -> Guard {
    Guard {
        max_drop: max_drop.map(share),
        max_flips: max_flips.map(share),
        min_rows,
    }
}

fn effect(lines: &[(u32, u32)]) -> Effect {
    let mut effect = Effect::default();
    for &(before, after) in lines {
        effect.add(before, after);
    }
    effect
}

fn report(kind: ReportKind, lines: &[(&str, u32)]) -> Report {
    let lines = lines.iter();
    let lines = lines.map(|&(name, units)| (ProductId::parse(name).unwrap(), units));
    Report::from_quantities(kind, None, lines.collect()).unwrap()
}

#[test]
fn a_share_is_a_number_from_0_to_1() {
    for wrong in [-0.1, 1.1, 50.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Share::parse(wrong), Err(InvalidShare), "{wrong}");
    }
    assert_eq!((share(0.0), share(1.0)), (Share::ZERO, Share::ONE));
    for (number, text) in [
        (0.5, "0.5"),
        (0.0, "0"),
        (1.0, "1"),
        (0.333_333_3, "0.333333"),
    ] {
        assert_eq!(share(number).to_string(), text);
    }
}

#[test]
fn a_share_is_exceeded_by_one_unit_more_and_not_by_the_share_itself() {
    let half = share(0.5);
    assert!(!half.is_exceeded_by(4_000, 8_000));
    assert!(half.is_exceeded_by(4_001, 8_000));
    assert!(!half.is_exceeded_by(0, 0));
    // 0.1 has no exact binary representation.
    assert!(!share(0.1).is_exceeded_by(1, 10));
    assert!(!Share::ONE.is_exceeded_by(u64::MAX, u64::MAX));
}

#[test]
fn the_verdict_states_the_numbers_and_the_setting() {
    let guard = guard(Some(0.5), Some(0.25), 1_000);
    let lost = effect(&[(8_000, 2_800)]);
    let gained = effect(&[(1, 2)]);
    let verdict = |rows, effect| guard.check(ReportKind::Full, rows, effect).to_string();
    assert_eq!(
        verdict(1_000, &lost),
        "the report would take away 5,200 of 8,000 units (65 %), more than guard.max_drop = 0.5"
    );
    assert_eq!(
        verdict(999, &gained),
        "the report has 999 of at least 1,000 rows (guard.min_rows)"
    );
    let flips = effect(&[
        (1, 0),
        (1, 0),
        (1, 0),
        (1_234_567, 1_234_567),
        (9, 9),
        (9, 9),
        (9, 9),
    ]);
    assert_eq!(
        verdict(1_000, &flips),
        "3 of 7 products (42.9 %) would go from some units to none, more than guard.max_flips = 0.25"
    );
    let lost = effect(&[(1_234_567, 617_283)]);
    assert_eq!(
        verdict(1_000, &lost),
        "the report would take away 617,284 of 1,234,567 units (50.1 %), more than guard.max_drop = 0.5"
    );
}

#[test]
fn the_verdict_states_every_bound_that_is_exceeded() {
    let guard = guard(Some(0.5), Some(0.25), 1_000);
    let verdict = |rows, effect| guard.check(ReportKind::Full, rows, effect).to_string();
    let gone = effect(&[(80, 0), (20, 20)]);
    assert_eq!(
        verdict(1_000, &gone),
        "the report would take away 80 of 100 units (80 %), more than guard.max_drop = 0.5; \
         1 of 2 products (50 %) would go from some units to none, more than guard.max_flips = 0.25"
    );
    assert_eq!(
        verdict(1, &gone),
        "the report has 1 of at least 1,000 rows (guard.min_rows); \
         the report would take away 80 of 100 units (80 %), more than guard.max_drop = 0.5; \
         1 of 2 products (50 %) would go from some units to none, more than guard.max_flips = 0.25"
    );
}

#[test]
fn a_vendor_without_units_has_nothing_to_lose() {
    let guard = guard(Some(0.0), Some(0.0), 3);
    let first = effect(&[(0, 10), (0, 0)]);
    assert_eq!(
        guard.check(ReportKind::Full, 3, &first),
        GuardVerdict::Passed
    );
    assert!(guard.check(ReportKind::Full, 2, &first).is_held());
    assert_eq!(
        guard.check(ReportKind::Delta, 2, &first),
        GuardVerdict::Passed,
        "min_rows counts the rows of full reports"
    );
}

#[test]
fn a_report_that_changes_nothing_is_never_held() {
    let guard = guard(Some(0.0), Some(0.0), 1_000);
    let mut unchanged = effect(&[(3, 3), (0, 0)]);
    let verdict = guard.check(ReportKind::Full, 2, &unchanged);
    let (rows, min_rows) = (2, 1_000);
    assert_eq!(verdict, GuardVerdict::Unchanged { rows, min_rows });
    assert!(!verdict.is_held());
    assert_eq!(
        verdict.to_string(),
        "the report has 2 of at least 1,000 rows (guard.min_rows), and changes nothing"
    );
    unchanged.add_new(1);
    let few = GuardVerdict::Held(Exceeded {
        rows: Some((rows, min_rows)),
        ..Exceeded::default()
    });
    assert_eq!(guard.check(ReportKind::Full, 2, &unchanged), few);
    let gained = effect(&[(3, 4)]);
    assert_eq!(guard.check(ReportKind::Full, 2, &gained), few);
}

#[test]
fn gains_do_not_offset_losses() {
    let guard = guard(Some(0.5), None, 0);
    let shifted = effect(&[(10, 0), (10, 1_000_000)]);
    assert!(!guard.check(ReportKind::Full, 2, &shifted).is_held());
    let shifted = effect(&[(11, 0), (10, 1_000_000)]);
    assert!(guard.check(ReportKind::Full, 2, &shifted).is_held());
}

#[test]
fn the_shares_of_a_delta_are_of_all_units_of_the_vendor() {
    let guard = guard(Some(0.5), Some(0.5), 0);
    let named = effect(&[(10, 0)]);
    assert!(guard.check(ReportKind::Delta, 1, &named).is_held());
    let of_all = named.out_of(100, 20);
    assert!(!guard.check(ReportKind::Delta, 1, &of_all).is_held());
}

#[test]
fn held_full_reports_agree_if_neither_takes_much_from_the_other() {
    use ReportKind::Full;
    let guard = guard(Some(0.5), Some(0.25), 0);
    let first = report(Full, &[("a", 10), ("b", 10), ("c", 10), ("d", 10)]);
    let agrees = |second: &Report| {
        let agrees = guard.agrees(&first, second);
        assert_eq!(agrees, guard.agrees(second, &first), "{second:?}");
        agrees
    };
    assert!(agrees(&first));
    assert!(agrees(&report(
        Full,
        &[("a", 10), ("b", 10), ("c", 0), ("d", 9)]
    )));
    assert!(agrees(&report(
        Full,
        &[("b", 10), ("c", 20), ("d", 10), ("e", 1)]
    )));
    for (second, reason) in [
        (&[][..], "all is gone"),
        (
            &[("a", 10), ("b", 9)],
            "more than half of the units are gone",
        ),
        (
            &[("a", 18), ("b", 18)],
            "more than a quarter of the products are gone",
        ),
        (
            &[("a", 90), ("b", 10), ("c", 10), ("d", 10)],
            "more than half is new",
        ),
        (
            &[("e", 10), ("f", 10), ("g", 10), ("h", 10)],
            "other products",
        ),
    ] {
        assert!(!agrees(&report(Full, second)), "{reason}");
    }
    let delta = report(ReportKind::Delta, &[("a", 10)]);
    assert!(!guard.agrees(&first, &delta));
}

#[test]
fn reports_that_only_min_rows_holds_agree_within_the_usual_shares() {
    let guard = guard(None, None, 1_000);
    let first = report(
        ReportKind::Full,
        &[("a", 10), ("b", 10), ("c", 10), ("d", 10)],
    );
    let second = report(
        ReportKind::Full,
        &[("a", 9), ("b", 9), ("c", 9), ("d", 9), ("e", 1)],
    );
    assert!(guard.agrees(&first, &second));
    let other = report(ReportKind::Full, &[("x", 10)]);
    assert!(!guard.agrees(&first, &other));
    let empty = report(ReportKind::Full, &[]);
    assert!(guard.agrees(&empty, &empty));
    assert!(!guard.agrees(&empty, &first));
}

#[test]
fn a_delta_agrees_only_if_it_names_the_same_products_again() {
    use ReportKind::Delta;
    let guard = guard(Some(0.5), Some(0.25), 0);
    let first = report(Delta, &[("a", 0), ("b", 0)]);
    assert!(guard.agrees(&first, &report(Delta, &[("a", 0), ("b", 0), ("c", 7)])));
    assert!(!guard.agrees(&first, &report(Delta, &[("a", 0)])));
    assert!(!guard.agrees(&first, &report(Delta, &[("c", 0), ("d", 0)])));
    assert!(!guard.agrees(&first, &report(Delta, &[("a", 0), ("b", 50)])));
}

fn a_share() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(0.0..=1.0)
}

fn quantities() -> impl Strategy<Value = BTreeMap<ProductId, u32>> {
    let product = prop::sample::select(&["a", "b", "c", "d", "e", "f"][..]);
    let product = product.prop_map(|name| ProductId::parse(name).unwrap());
    prop::collection::btree_map(product, prop_oneof![Just(0), 0_u32..20], 0..6)
}

proptest! {
    /// A report that takes nothing away passes, whatever the shares.
    #[test]
    fn a_report_that_takes_nothing_away_passes(
        lines in prop::collection::vec((0_u32..1_000, 0_u32..1_000), 0..20),
        max_drop in a_share(),
        max_flips in a_share(),
    ) {
        let guard = guard(max_drop, max_flips, 0);
        let lines: Vec<_> = lines.into_iter().map(|(before, more)| (before, before + more)).collect();
        let rows = lines.len() as u64;
        prop_assert_eq!(guard.check(ReportKind::Full, rows, &effect(&lines)), GuardVerdict::Passed);
    }

    /// The verdict is that of the real numbers, and a stricter guard holds all that a laxer one holds.
    #[test]
    fn the_verdict_follows_from_the_shares(
        lines in prop::collection::vec((0_u32..1_000, 0_u32..1_000), 0..20),
        max_drop in 0.0..=1.0_f64,
        max_flips in 0.0..=1.0_f64,
    ) {
        let effect = effect(&lines);
        let sum = |of: fn(&(u32, u32)) -> u32| lines.iter().map(|line| u64::from(of(line))).sum::<u64>();
        prop_assert_eq!(effect.units_before, sum(|line| line.0));
        prop_assert_eq!(effect.units_lost, sum(|line| line.0.saturating_sub(line.1)));
        let is_held = |max_drop, max_flips| {
            guard(max_drop, max_flips, 0).check(ReportKind::Full, 0, &effect).is_held()
        };
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let lost = of(effect.units_lost, effect.units_before);
        // A share is rounded to a millionth.
        if (lost - max_drop).abs() > 1e-6 {
            prop_assert_eq!(is_held(Some(max_drop), None), lost > max_drop);
        }
        let flipped = of(effect.flips, effect.products_before);
        if (flipped - max_flips).abs() > 1e-6 {
            prop_assert_eq!(is_held(None, Some(max_flips)), flipped > max_flips);
        }
        let either = is_held(Some(max_drop), None) || is_held(None, Some(max_flips));
        prop_assert_eq!(is_held(Some(max_drop), Some(max_flips)), either);
        prop_assert!(!is_held(Some(max_drop), None) || is_held(Some(max_drop / 2.0), None));
    }

    /// Agreement is symmetric for full reports, and a report agrees with itself.
    #[test]
    fn agreement_of_full_reports_is_symmetric(
        first in quantities(),
        second in quantities(),
        max_drop in a_share(),
        max_flips in a_share(),
    ) {
        let guard = guard(max_drop, max_flips, 0);
        let full = |quantities| Report::from_quantities(ReportKind::Full, None, quantities).unwrap();
        let (first, second) = (full(first), full(second));
        prop_assert!(guard.agrees(&first, &first));
        prop_assert_eq!(guard.agrees(&first, &second), guard.agrees(&second, &first));
    }

    /// A report that agrees with the held one would itself pass the guard after it.
    #[test]
    fn a_report_that_agrees_passes_the_guard_after_the_held_one(
        first in quantities(),
        second in quantities(),
        max_drop in a_share(),
        max_flips in a_share(),
    ) {
        let guard = guard(max_drop, max_flips, 0);
        let full = |quantities| Report::from_quantities(ReportKind::Full, None, quantities).unwrap();
        let (first, second) = (full(first), full(second));
        let mut effect = Effect::default();
        for (product_id, units) in first.quantities() {
            effect.add(*units, second.quantity_of(product_id).unwrap());
        }
        if guard.agrees(&first, &second) {
            prop_assert_eq!(guard.check(ReportKind::Full, 0, &effect), GuardVerdict::Passed);
        }
    }
}
