//! What a report may change, and which shipments it is the first to know of.

use std::collections::BTreeMap;

use domain::evidence::ReportOrder;
use domain::identifiers::{OrderId, ProductId};
use domain::order::OrderStatus;
use domain::report::Report;
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use crate::builders::{delta, full, order_at, product, vendor};
use crate::shop::Shop;

async fn affected(
    storage: &StorageUnderTest,
    vendor_id: &str,
    report: &Report,
    as_of: Timestamp,
) -> Vec<String> {
    let mut work = storage.begin().await;
    let (vendor_id, order) = (vendor(vendor_id), order_at(as_of));
    let affected = work.affected_by(&vendor_id, report, order, Some(as_of));
    let affected = affected.await;
    affected
        .unwrap()
        .into_iter()
        .map(ProductId::into_string)
        .collect()
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
    let as_of = work.store_time().await.unwrap();
    let report = delta(&[("new", 7), ("old", 9)]);
    let (v, order) = (vendor("v"), order_at(as_of));
    let affected = work.affected_by(&v, &report, order, Some(as_of)).await;
    assert_eq!(affected.unwrap(), ["new", "old"].map(product));
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
    let mut work = storage.begin().await;
    let (v, order) = (vendor("v"), order_at(after));
    let unproven = work.affected_by(&v, &full(&lines), order, None).await;
    assert_eq!(unproven.unwrap(), []);
    drop(work);
    let of_w = full(&[("p", 1)]);
    assert_eq!(affected(storage, "w", &of_w, after).await, none);
}

/// Marking counts each shipped unit once, of that vendor, of those products, and only if it was shipped before.
pub async fn mark_known_counts_each_shipped_unit_once(storage: &StorageUnderTest) {
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
    let none = work.mark_known(&vendor("v"), &asked, start).await.unwrap();
    assert_eq!(none, BTreeMap::new());
    let known = work.mark_known(&vendor("v"), &asked, moment).await.unwrap();
    let expected = BTreeMap::from([(product("p"), 20), (product("q"), 5)]);
    assert_eq!(known, expected);
    let again = work.mark_known(&vendor("v"), &asked, moment).await.unwrap();
    assert_eq!(again, BTreeMap::new());
    let rest = work.mark_known(&vendor("v"), &asked, later).await.unwrap();
    assert_eq!(rest, BTreeMap::from([(product("q"), 4)]));
    let of_w = work.mark_known(&vendor("w"), &asked, later).await.unwrap();
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
    let of_order = async |order: ReportOrder| -> Vec<String> {
        let mut work = storage.begin().await;
        let affected = work.affected_by(&vendor("v"), &lines, order, None).await;
        let affected = affected.unwrap().into_iter();
        affected.map(ProductId::into_string).collect()
    };
    assert_eq!(of_order(order_at(start)).await, ["r"]);
    assert_eq!(of_order(order_at(middle)).await, ["q", "r"]);
    assert_eq!(of_order(newer).await, ["p", "q", "r"]);
    assert_eq!(storage.position("p", "v").await.as_of, middle);
}
