//! The comparison of reports with the stored stock, and the shipments that reports include.

use std::collections::BTreeMap;

use domain::comparison::{Comparison, Merge, ReportedStock, Step};
use domain::evidence::ReportOrder;
use domain::identifiers::ProductId;
use domain::report::{Report, ReportKind};
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use crate::builders::{delta, full, order_at, product, vendor};
use crate::use_cases::UseCases;

/// Rows per page, fewer than a vendor of these contracts has.
const PAGE: u32 = 2;

/// Returns the products that a report of this order affects, as the use case finds them.
async fn affected_at(
    storage: &StorageUnderTest,
    vendor_id: &str,
    report: &Report,
    order: ReportOrder,
    proven_as_of: Option<Timestamp>,
) -> Vec<String> {
    let vendor_id = vendor(vendor_id);
    let comparison = Comparison {
        report,
        order,
        proven_as_of,
        now: storage.probe.store_time().await.unwrap(),
    };
    if report.kind() == ReportKind::Delta {
        let named: Vec<ProductId> = report.quantities().keys().cloned().collect();
        let mut work = storage.begin().await;
        let rows = work.find_reported_stock(&vendor_id, &named).await.unwrap();
        let lines = report.quantities().iter().filter(|(product_id, units)| {
            let row = rows.iter().find(|row| row.product_id == **product_id);
            comparison.affects(Some(**units), row)
        });
        return lines.map(|(id, _)| id.as_str().to_owned()).collect();
    }
    let mut merge = Merge::new(comparison);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        match merge.step() {
            Step::Affected(affected) => found.push(affected.product_id.into_string()),
            Step::End => return found,
            Step::NeedsRows => {
                let rows = storage.sync.list_reported_stock(&vendor_id, after, PAGE);
                let rows = rows.await.unwrap();
                after = rows.last().map(|row| row.product_id.clone());
                let are_last = rows.len() < PAGE as usize;
                merge.add_rows(rows, are_last);
            }
        }
    }
}

async fn affected(
    storage: &StorageUnderTest,
    vendor_id: &str,
    report: &Report,
    as_of: Timestamp,
) -> Vec<String> {
    affected_at(storage, vendor_id, report, order_at(as_of), Some(as_of)).await
}

/// A full report affects products with another quantity, and those that it leaves out if they had one. A delta affects all
/// products that it names. Products are returned in byte order.
pub async fn a_report_affects_products_with_another_quantity(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let lines = [("a", 1), ("a-b", 1), ("B", 2), ("none", 0)];
    use_cases.report("v", full(&lines)).await;
    use_cases.report("w", full(&[("of-w", 5)])).await;
    let now = storage.probe.store_time().await.unwrap();

    let none: [&str; 0] = [];
    assert_eq!(affected(storage, "v", &full(&lines), now).await, none);
    assert_eq!(affected(storage, "v", &delta(&[]), now).await, none);
    let partly = delta(&[("a-b", 4), ("a", 0), ("B", 2), ("none", 0)]);
    let named = ["B", "a", "a-b", "none"];
    assert_eq!(affected(storage, "v", &partly, now).await, named);
    let partly = full(&[("a-b", 4), ("a", 0), ("B", 2), ("none", 0)]);
    assert_eq!(affected(storage, "v", &partly, now).await, ["a", "a-b"]);
    let empty = full(&[]);
    assert_eq!(affected(storage, "v", &empty, now).await, ["B", "a", "a-b"]);
    let other = full(&[("none", 1), ("a", 1)]);
    let expected = ["B", "a-b", "none"];
    assert_eq!(affected(storage, "v", &other, now).await, expected);
    // A product that only other vendors reported is new to this vendor, even with 0 units.
    let foreign = delta(&[("of-w", 0)]);
    assert_eq!(affected(storage, "v", &foreign, now).await, ["of-w"]);
    assert_eq!(affected(storage, "w", &foreign, now).await, ["of-w"]);
}

/// A new product is created with nothing to sell, so that it can be locked; an existing one is unchanged.
pub async fn new_products_are_created_with_nothing_to_sell(storage: &StorageUnderTest) {
    storage.stock_up("old", &[("v", 5)]).await;
    let mut work = storage.begin().await;
    work.create_products(&["new", "old"].map(product))
        .await
        .unwrap();
    let locked = work.lock_stock(&[product("new")]).await.unwrap();
    assert_eq!(locked.len(), 1);
    assert_eq!(locked[0].vendors, []);
    work.commit().await.unwrap();

    let new = storage.stock.find_stock(&product("new")).await.unwrap();
    let new = new.unwrap();
    assert_eq!((new.level.quantity, new.vendors.len()), (0, 0));
    assert_eq!(storage.sellable("old").await, 5);
}

/// Reports of two vendors that are the first to name a product do not block each other.
pub async fn two_reports_can_create_the_same_product(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    for round in 0..10 {
        let names: Vec<String> = (0..5).map(|name| format!("{round}-{name}")).collect();
        let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 2)).collect();
        let report = delta(&lines);
        tokio::join!(
            use_cases.report("v", report.clone()),
            use_cases.report("w", report)
        );
        for name in names {
            assert_eq!(storage.sellable(&name).await, 4);
        }
    }
    storage.assert_sound().await;
}

/// A full report with unchanged quantities still affects a product if it is the first to include a shipment: its evidence is
/// later than the shipment, and it is of the vendor that shipped. A report without evidence affects none.
pub async fn a_report_affects_shipments_that_it_is_the_first_to_include(
    storage: &StorageUnderTest,
) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let lines = [("p", 10), ("q", 10)];
    use_cases.report("v", full(&lines)).await;
    use_cases.report("w", full(&[("p", 1)])).await;
    use_cases.sell(storage, "q", 1).await;
    let before = storage.probe.store_time().await.unwrap();
    use_cases.sell_and_ship(storage, "p", 2).await;
    let after = storage.probe.store_time().await.unwrap();

    let none: [&str; 0] = [];
    assert_eq!(affected(storage, "v", &full(&lines), before).await, none);
    assert_eq!(affected(storage, "v", &full(&lines), after).await, ["p"]);
    let unproven = affected_at(storage, "v", &full(&lines), order_at(after), None).await;
    assert_eq!(unproven, none);
    let of_w = full(&[("p", 1)]);
    assert_eq!(affected(storage, "w", &of_w, after).await, none);
}

/// Each unit is counted once, and only if it was shipped by that vendor, of those products and before the as-of.
pub async fn mark_included_counts_each_shipped_unit_once(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases
        .report("v", full(&[("p", 20), ("q", 20), ("r", 20)]))
        .await;
    use_cases.report("w", full(&[("p", 3)])).await;
    // An order of 21 units of p takes one from w.
    use_cases.sell_and_ship(storage, "p", 21).await;
    use_cases.sell_and_ship(storage, "q", 2).await;
    use_cases.sell_and_ship(storage, "q", 3).await;
    use_cases.sell_and_ship(storage, "r", 5).await;
    use_cases.sell(storage, "q", 7).await;
    let timestamp = storage.probe.store_time().await.unwrap();
    use_cases.sell_and_ship(storage, "q", 4).await;
    let later = storage.probe.store_time().await.unwrap();

    let requested = ["q", "p", "unknown"].map(product);
    let mut work = storage.begin().await;
    let start = Timestamp::from_micros(0);
    let none = work
        .mark_included(&vendor("v"), &requested, start)
        .await
        .unwrap();
    assert_eq!(none, BTreeMap::new());
    let known = work
        .mark_included(&vendor("v"), &requested, timestamp)
        .await
        .unwrap();
    let expected = BTreeMap::from([(product("p"), 20), (product("q"), 5)]);
    assert_eq!(known, expected);
    let again = work
        .mark_included(&vendor("v"), &requested, timestamp)
        .await
        .unwrap();
    assert_eq!(again, BTreeMap::new());
    let rest = work
        .mark_included(&vendor("v"), &requested, later)
        .await
        .unwrap();
    assert_eq!(rest, BTreeMap::from([(product("q"), 4)]));
    let of_w = work
        .mark_included(&vendor("w"), &requested, later)
        .await
        .unwrap();
    assert_eq!(of_w, BTreeMap::from([(product("p"), 1)]));
}

/// A line of a delta that is older than the stored row is left out: by the as-of, and for equal as-ofs by the request. A
/// full report does not update the as-of of unchanged rows.
pub async fn a_delta_line_older_than_the_stored_row_is_left_out(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let start = storage.probe.store_time().await.unwrap();
    use_cases.report("v", delta(&[("p", 1), ("q", 1)])).await;
    let middle = storage.probe.store_time().await.unwrap();
    let requested_at = storage.probe.store_time().await.unwrap();
    let mut work = storage.begin().await;
    let newer = ReportOrder {
        as_of: middle,
        requested_at,
    };
    work.advance_as_of(&vendor("v"), &[product("p")], newer)
        .await
        .unwrap();
    work.commit().await.unwrap();

    let lines = delta(&[("p", 1), ("q", 1), ("r", 1)]);
    let of_order = async |order| affected_at(storage, "v", &lines, order, None).await;
    assert_eq!(of_order(order_at(start)).await, ["r"]);
    assert_eq!(of_order(order_at(middle)).await, ["q", "r"]);
    assert_eq!(of_order(newer).await, ["p", "q", "r"]);
    assert_eq!(storage.vendor_level("p", "v").await.as_of, middle);
}

/// A vendor's rows are listed in byte order and in pages, with the values that reports are compared with, and without the
/// rows of other vendors.
pub async fn reported_stock_is_listed_in_byte_order_in_pages(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let before = storage.probe.store_time().await.unwrap();
    use_cases
        .report("v", full(&[("a", 1), ("a-b", 2), ("B", 0), ("c", 9)]))
        .await;
    use_cases.report("v", delta(&[("a-b", 2)])).await;
    use_cases.report("w", full(&[("a", 7), ("aa", 7)])).await;
    use_cases.sell_and_ship(storage, "c", 2).await;
    use_cases.sell_and_ship(storage, "c", 1).await;
    use_cases.sell(storage, "a-b", 1).await;
    let after = storage.probe.store_time().await.unwrap();

    let v = vendor("v");
    let page = async |after: Option<&str>, limit| {
        let rows = storage
            .sync
            .list_reported_stock(&v, after.map(product), limit);
        rows.await.unwrap()
    };
    let ids = |rows: &[ReportedStock]| -> Vec<String> {
        let ids = rows.iter().map(|row| row.product_id.as_str().to_owned());
        ids.collect()
    };
    let all = page(None, 10).await;
    assert_eq!(ids(&all), ["B", "a", "a-b", "c"]);
    assert_eq!(ids(&page(None, 2).await), ["B", "a"]);
    assert_eq!(page(Some("a"), 2).await, all[2..]);
    assert_eq!(page(Some("a"), 0).await, []);
    assert_eq!(page(Some("c"), 2).await, []);
    let reported: Vec<u32> = all.iter().map(|row| row.reported).collect();
    assert_eq!(reported, [0, 1, 2, 9]);
    let is_now = |timestamp: Timestamp| before <= timestamp && timestamp <= after;
    assert!(all.iter().all(|row| is_now(row.as_of)));
    let named: Vec<bool> = all.iter().map(|row| row.requested_at.is_some()).collect();
    assert_eq!(named, [false, false, true, false]);
    let shipped: Vec<bool> = all
        .iter()
        .map(|row| row.oldest_shipment.is_some_and(is_now))
        .collect();
    assert_eq!(shipped, [false, false, false, true]);

    // A unit of work returns the same rows for the requested products.
    let requested = ["c", "unknown", "a-b", "aa", "c"].map(product);
    let mut work = storage.begin().await;
    let found = work.find_reported_stock(&v, &requested).await.unwrap();
    assert_eq!(found, all[2..]);
}
