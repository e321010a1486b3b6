//! What a report may change, and which shipments it is the first to know of.

use std::collections::BTreeMap;

use domain::comparison::{Comparison, Merge, ReportedStock, Step};
use domain::evidence::ReportOrder;
use domain::identifiers::{OrderId, ProductId};
use domain::order::OrderStatus;
use domain::report::{Report, ReportKind};
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use crate::builders::{delta, full, order_at, product, vendor};
use crate::shop::Shop;

/// Rows in a page: fewer than a vendor of these contracts has.
const PAGE: u32 = 2;

/// The products that a report of this order must be applied to, as the use case finds them.
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

async fn ship(shop: &Shop, storage: &StorageUnderTest, product_id: &str, units: u32) -> OrderId {
    let id = shop.sell(storage, product_id, units).await.id;
    shop.change(id, OrderStatus::Shipped).await.unwrap();
    id
}

/// A full report affects products with another quantity, and those that it leaves out if they had one. A delta affects all
/// that it names, because it is news of each of them. They come in byte order.
pub async fn a_report_affects_what_it_gives_another_quantity(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let lines = [("a", 1), ("a-b", 1), ("B", 2), ("none", 0)];
    shop.report("v", full(&lines)).await;
    shop.report("w", full(&[("of-w", 5)])).await;
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
    // A product that others report is new to this vendor, also with nothing.
    let foreign = delta(&[("of-w", 0)]);
    assert_eq!(affected(storage, "v", &foreign, now).await, ["of-w"]);
    assert_eq!(affected(storage, "w", &foreign, now).await, ["of-w"]);
}

/// A new product is there with nothing to sell, so that it can be locked; one that is there stays as it is.
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

/// Reports of two vendors that are the first to name a product do not get in each other's way.
pub async fn two_reports_can_bring_the_same_new_product(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    for round in 0..10 {
        let names: Vec<String> = (0..5).map(|name| format!("{round}-{name}")).collect();
        let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 2)).collect();
        let report = delta(&lines);
        tokio::join!(shop.report("v", report.clone()), shop.report("w", report));
        for name in names {
            assert_eq!(storage.sellable(&name).await, 4);
        }
    }
    storage.assert_sound().await;
}

/// A full report with unchanged quantities affects a product all the same if it is the first to include a shipment: what it
/// proves is later, and it is of the vendor that shipped. One that proves nothing affects none.
pub async fn a_report_affects_shipments_that_it_is_the_first_to_know(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let lines = [("p", 10), ("q", 10)];
    shop.report("v", full(&lines)).await;
    shop.report("w", full(&[("p", 1)])).await;
    shop.sell(storage, "q", 1).await;
    let before = storage.probe.store_time().await.unwrap();
    ship(&shop, storage, "p", 2).await;
    let after = storage.probe.store_time().await.unwrap();

    let none: [&str; 0] = [];
    assert_eq!(affected(storage, "v", &full(&lines), before).await, none);
    assert_eq!(affected(storage, "v", &full(&lines), after).await, ["p"]);
    let unproven = affected_at(storage, "v", &full(&lines), order_at(after), None).await;
    assert_eq!(unproven, none);
    let of_w = full(&[("p", 1)]);
    assert_eq!(affected(storage, "w", &of_w, after).await, none);
}

/// Marking counts each shipped unit once, of that vendor, of those products, and only if it was shipped before.
pub async fn mark_included_counts_each_shipped_unit_once(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 20), ("q", 20), ("r", 20)]))
        .await;
    shop.report("w", full(&[("p", 3)])).await;
    // Twenty-one units of p take one from w.
    ship(&shop, storage, "p", 21).await;
    ship(&shop, storage, "q", 2).await;
    ship(&shop, storage, "q", 3).await;
    ship(&shop, storage, "r", 5).await;
    shop.sell(storage, "q", 7).await;
    let moment = storage.probe.store_time().await.unwrap();
    ship(&shop, storage, "q", 4).await;
    let later = storage.probe.store_time().await.unwrap();

    let asked = ["q", "p", "unknown"].map(product);
    let mut work = storage.begin().await;
    let start = Timestamp::from_micros(0);
    let none = work
        .mark_included(&vendor("v"), &asked, start)
        .await
        .unwrap();
    assert_eq!(none, BTreeMap::new());
    let known = work
        .mark_included(&vendor("v"), &asked, moment)
        .await
        .unwrap();
    let expected = BTreeMap::from([(product("p"), 20), (product("q"), 5)]);
    assert_eq!(known, expected);
    let again = work
        .mark_included(&vendor("v"), &asked, moment)
        .await
        .unwrap();
    assert_eq!(again, BTreeMap::new());
    let rest = work
        .mark_included(&vendor("v"), &asked, later)
        .await
        .unwrap();
    assert_eq!(rest, BTreeMap::from([(product("q"), 4)]));
    let of_w = work
        .mark_included(&vendor("w"), &asked, later)
        .await
        .unwrap();
    assert_eq!(of_w, BTreeMap::from([(product("p"), 1)]));
}

/// A line of a delta that is older than its position is left out: by the as-of, and within one as-of by the request. A full
/// report records no position that it leaves as it was.
pub async fn a_delta_line_that_is_older_than_its_position_is_left_out(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    let start = storage.probe.store_time().await.unwrap();
    shop.report("v", delta(&[("p", 1), ("q", 1)])).await;
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
    assert_eq!(storage.position("p", "v").await.as_of, middle);
}

/// A vendor's rows come in byte order and in pages, each with what reports are compared with; those of others do not.
pub async fn reported_stock_is_listed_in_byte_order_in_pages(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let before = storage.probe.store_time().await.unwrap();
    shop.report("v", full(&[("a", 1), ("a-b", 2), ("B", 0), ("c", 9)]))
        .await;
    shop.report("v", delta(&[("a-b", 2)])).await;
    shop.report("w", full(&[("a", 7), ("aa", 7)])).await;
    ship(&shop, storage, "c", 2).await;
    ship(&shop, storage, "c", 1).await;
    shop.sell(storage, "a-b", 1).await;
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
    let is_now = |moment: Timestamp| before <= moment && moment <= after;
    assert!(all.iter().all(|row| is_now(row.as_of)));
    let named: Vec<bool> = all.iter().map(|row| row.requested_at.is_some()).collect();
    assert_eq!(named, [false, false, true, false]);
    let shipped: Vec<bool> = all
        .iter()
        .map(|row| row.oldest_shipment.is_some_and(is_now))
        .collect();
    assert_eq!(shipped, [false, false, false, true]);

    // In a unit of work they are the same, as far as they were asked for.
    let asked = ["c", "unknown", "a-b", "aa", "c"].map(product);
    let mut work = storage.begin().await;
    let found = work.find_reported_stock(&v, &asked).await.unwrap();
    assert_eq!(found, all[2..]);
}
