//! Lists of stock, and the detail of a product.

use domain::identifiers::ProductId;
use domain::ports::StockLevel;

use super::StorageUnderTest;
use crate::builders::{delta, full, product};
use crate::use_cases::UseCases;

/// Product ids in byte order, with pairs that a natural language would sort otherwise. Every other product is sold out.
const NAMES: [&str; 11] = ["10", "9", "A", "B", "a", "a b", "a-b", "aB", "b", "z", "ü"];

async fn stock_of_all_names(storage: &StorageUnderTest) {
    let mut shuffled = NAMES;
    shuffled.reverse();
    shuffled.rotate_left(4);
    for name in shuffled {
        let index = NAMES.iter().position(|it| *it == name).unwrap();
        let units = u32::try_from(index % 2 * index).unwrap();
        storage.stock_up(name, &[("v", units)]).await;
    }
}

async fn all_pages(storage: &StorageUnderTest, in_stock: bool, limit: u32) -> Vec<StockLevel> {
    let mut all: Vec<StockLevel> = Vec::new();
    loop {
        let after: Option<ProductId> = all.last().map(|level| level.product_id.clone());
        let page = storage
            .stock
            .list_stock(after.clone(), in_stock, limit)
            .await;
        let page = page.unwrap();
        let continues = page
            .iter()
            .all(|level| after.as_ref().is_none_or(|after| level.product_id > *after));
        assert!(continues, "a page overlaps the previous one");
        assert!(page.len() <= usize::try_from(limit).unwrap());
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// All products are listed by id in byte order, whatever the size of the pages.
pub async fn stock_is_listed_in_byte_order_in_pages(storage: &StorageUnderTest) {
    assert_eq!(all_pages(storage, false, 5).await, []);
    stock_of_all_names(storage).await;
    for limit in [1, 4, 11, 1_000] {
        let listed = all_pages(storage, false, limit).await;
        let names: Vec<&str> = listed.iter().map(|it| it.product_id.as_str()).collect();
        assert_eq!(names, NAMES, "in pages of {limit}");
        for (index, level) in listed.iter().enumerate() {
            assert_eq!(level.quantity, (index % 2 * index) as u64);
        }
    }
    let after_none = storage.stock.list_stock(Some(product("aA")), false, 1);
    let next = after_none.await.unwrap();
    assert_eq!(next[0].product_id, product("aB"));
}

/// The filter keeps only products that can be sold.
pub async fn stock_is_filtered_by_availability(storage: &StorageUnderTest) {
    stock_of_all_names(storage).await;
    let expected: Vec<&str> = NAMES.iter().copied().skip(1).step_by(2).collect();
    for limit in [1, 2, 1_000] {
        let listed = all_pages(storage, true, limit).await;
        let names: Vec<&str> = listed.iter().map(|it| it.product_id.as_str()).collect();
        assert_eq!(names, expected, "in pages of {limit}");
    }
}

/// A product's detail has its vendors by id, each with its own numbers; an unknown product is `None`.
pub async fn a_product_is_found_with_its_vendors(storage: &StorageUnderTest) {
    let unknown = storage.stock.find_stock(&product("p")).await.unwrap();
    assert_eq!(unknown, None);
    let use_cases = UseCases::open(storage, &["w", "v", "u"]).await;
    use_cases.report("w", full(&[("p", 7)])).await;
    use_cases.report("v", full(&[("p", 3)])).await;
    use_cases.report("u", full(&[("q", 1)])).await;
    use_cases.sell(storage, "p", 8).await;

    let detail = storage.stock.find_stock(&product("p")).await.unwrap();
    let detail = detail.unwrap();
    assert_eq!(detail.level.product_id, product("p"));
    assert_eq!(detail.level.quantity, 2);
    let vendors: Vec<(&str, u32, u32, u32)> = detail
        .vendors
        .iter()
        .map(|it| {
            (
                it.vendor_id.as_str(),
                it.reported,
                it.in_flight,
                it.available,
            )
        })
        .collect();
    assert_eq!(vendors, [("v", 3, 1, 2), ("w", 7, 7, 0)]);
    let listed = storage.stock.list_stock(None, false, 1).await.unwrap();
    assert_eq!(listed, [detail.level]);
}

/// The as-of of vendor stock is that of the last report that covered the product: a full report covers all products, a delta
/// those that it names.
pub async fn the_as_of_is_that_of_the_last_report_covering_the_product(storage: &StorageUnderTest) {
    let as_of = async |name: &str| storage.vendor_level(name, "v").await.as_of;
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let start = storage.probe.store_time().await.unwrap();
    use_cases.report("v", full(&[("p", 7), ("q", 1)])).await;
    let first = as_of("p").await;
    assert!(first > start);
    assert_eq!(as_of("q").await, first);

    // The report does not change q, but covers it.
    use_cases.report("v", full(&[("p", 8), ("q", 1)])).await;
    let second = as_of("p").await;
    assert!(second > first);
    assert_eq!(as_of("q").await, second);

    use_cases.report("v", delta(&[("p", 9)])).await;
    assert!(as_of("p").await > second);
    assert_eq!(as_of("q").await, second);

    // Another vendor's report covers only that vendor.
    use_cases.report("w", full(&[("q", 5)])).await;
    assert_eq!(as_of("q").await, second);
}

/// Known products are returned in byte order, each once, as in the list.
pub async fn products_are_found_by_their_ids(storage: &StorageUnderTest) {
    stock_of_all_names(storage).await;
    let all = all_pages(storage, false, 1_000).await;
    let mut ids: Vec<ProductId> = NAMES.iter().rev().map(|name| product(name)).collect();
    ids.extend([product("unknown"), product("A")]);
    assert_eq!(storage.stock.find_levels(&ids).await.unwrap(), all);
    let two = [product("b"), product("9")];
    let found = storage.stock.find_levels(&two).await.unwrap();
    let names: Vec<&str> = found.iter().map(|it| it.product_id.as_str()).collect();
    assert_eq!(names, ["9", "b"]);
    assert_eq!(storage.stock.find_levels(&[]).await.unwrap(), []);
}
