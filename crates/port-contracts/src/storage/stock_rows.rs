//! Locking and saving stock.

use domain::ports::{OtherVendors, StockRepository, UnitOfWork};
use domain::stock::{MAX_REPORTED, ProductStock, StockChange, VendorStock};
use domain::timestamp::Timestamp;
use tokio::task::JoinSet;

use super::{StorageUnderTest, wait_for_holder};
use crate::builders::{configured, product, vendor};

fn vendor_stock(vendor_id: &str, reported: u32, in_flight: u32, as_of: Timestamp) -> VendorStock {
    VendorStock {
        vendor_id: vendor(vendor_id),
        reported,
        in_flight,
        as_of,
        configured: true,
        is_expired: false,
    }
}

fn change(product_id: &str, quantity: u64, vendors: Vec<VendorStock>) -> StockChange {
    StockChange {
        product_id: product(product_id),
        quantity,
        vendors,
    }
}

/// Locks one product, which must exist.
async fn lock(work: &mut dyn UnitOfWork, product_id: &str) -> ProductStock {
    let mut locked = work.lock_stock(&[product(product_id)]).await.unwrap();
    assert_eq!(locked.len(), 1);
    locked.remove(0)
}

/// Known products are returned by id in byte order, each once, with their vendor stock by vendor; unknown ones are left out.
pub async fn lock_stock_returns_known_products_in_byte_order(storage: &StorageUnderTest) {
    for name in ["b", "a", "a-b", "B"] {
        storage.stock_up(name, &[("w", 2), ("v", 1)]).await;
    }
    let mut work = storage.begin().await;
    let requested = ["b", "unknown", "a-b", "B", "a", "b"].map(product);
    let locked = work.lock_stock(&requested).await.unwrap();
    let names: Vec<&str> = locked.iter().map(|it| it.product_id.as_str()).collect();
    assert_eq!(names, ["B", "a", "a-b", "b"]);
    for product in locked {
        let seen: Vec<(&str, u32, u32, bool)> = product
            .vendors
            .iter()
            .map(|it| {
                let vendor_id = it.vendor_id.as_str();
                (vendor_id, it.reported, it.in_flight, it.configured)
            })
            .collect();
        assert_eq!(seen, [("v", 1, 0, true), ("w", 2, 0, true)]);
    }
    assert_eq!(work.lock_stock(&[product("none")]).await.unwrap(), []);
    assert_eq!(work.lock_stock(&[]).await.unwrap(), []);
}

/// Vendor stock is created or replaced as given, other vendor stock is unchanged, and the quantity is the given one.
pub async fn save_stock_writes_vendor_stock_and_quantity(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5), ("w", 7)]).await;
    storage.stock_up("q", &[("v", 1), ("w", 1)]).await;
    let mut work = storage.begin().await;
    let vendors = configured(&["v", "w", "x"]);
    work.configure(&vendors, OtherVendors::SwitchOff)
        .await
        .unwrap();
    let as_of = work.store_time().await.unwrap();
    let before = lock(work.as_mut(), "p").await;
    let (v, x) = (
        vendor_stock("v", 9, 2, as_of),
        vendor_stock("x", 4, 0, as_of),
    );
    work.save_stock(&[change("p", 18, vec![x.clone(), v.clone()])])
        .await
        .unwrap();
    let w = before.vendor(&vendor("w")).unwrap().clone();
    let expected = [v, w, x];
    assert_eq!(lock(work.as_mut(), "p").await.vendors, expected);
    work.commit().await.unwrap();

    let mut work = storage.begin().await;
    assert_eq!(lock(work.as_mut(), "p").await.vendors, expected);
    drop(work);
    assert_eq!(storage.sellable("p").await, 18);
    assert_eq!(storage.numbers("p", "v").await, (9, 2, 7));
    assert_eq!(storage.numbers("q", "v").await, (1, 0, 1));
}

/// Two vendors with the largest stock that can be reported add up.
pub async fn the_largest_stock_is_stored(storage: &StorageUnderTest) {
    let most = [("v", MAX_REPORTED), ("w", MAX_REPORTED)];
    storage.stock_up("p", &most).await;
    assert_eq!(storage.sellable("p").await, 2 * u64::from(MAX_REPORTED));
    assert_eq!(storage.vendor_level("p", "w").await.available, MAX_REPORTED);
    storage.assert_sound().await;
}

/// Saving stock of a product that does not exist is an error.
pub async fn save_stock_refuses_an_unknown_product(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5)]).await;
    for with_vendor in [false, true] {
        let mut work = storage.begin().await;
        let as_of = work.store_time().await.unwrap();
        let vendors = if with_vendor {
            vec![vendor_stock("v", 1, 0, as_of)]
        } else {
            Vec::new()
        };
        let changes = [change("p", 4, Vec::new()), change("q", 1, vendors)];
        work.save_stock(&changes).await.unwrap_err();
    }
    assert_eq!(storage.sellable("p").await, 5);
    assert_eq!(storage.stock.find_stock(&product("q")).await.unwrap(), None);
}

/// The timestamp of the last change changes with the quantity, and only with it.
pub async fn updated_at_changes_with_the_quantity(storage: &StorageUnderTest) {
    let updated_at = async || {
        let detail = storage.stock.find_stock(&product("p")).await.unwrap();
        detail.unwrap().level.updated_at
    };
    storage.stock_up("p", &[("v", 5)]).await;
    let first = updated_at().await;
    storage.stock_up("p", &[("v", 5)]).await;
    assert_eq!(updated_at().await, first);
    storage.stock_up("p", &[("v", 6)]).await;
    assert!(updated_at().await > first);
}

/// A caller that waits for locked stock sees the holder's commit, including rows that did not exist when the wait began.
pub async fn lock_stock_waits_for_the_holder_and_sees_its_commit(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5)]).await;
    storage.stock_up("q", &[("v", 5), ("w", 5)]).await;
    let mut holder = storage.begin().await;
    let as_of = holder.store_time().await.unwrap();
    lock(holder.as_mut(), "p").await;
    let written = vec![
        vendor_stock("v", 8, 3, as_of),
        vendor_stock("w", 2, 1, as_of),
    ];
    holder
        .save_stock(&[change("p", 6, written.clone())])
        .await
        .unwrap();
    let store = storage.store.clone();
    let found = wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        lock(work.as_mut(), "p").await
    })
    .await;
    assert_eq!(found.vendors, written);
}

/// No update is lost and no transaction deadlocks, whatever the order in which products are named.
pub async fn concurrent_stock_changes_are_not_lost(storage: &StorageUnderTest) {
    for name in ["a", "b", "c"] {
        storage.stock_up(name, &[("v", 1_000)]).await;
    }
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let store = storage.store.clone();
        let mut names = ["a", "b", "c"].map(product);
        names.rotate_left(task % 3);
        tasks.spawn(async move {
            for _ in 0..10 {
                let mut work = store.begin().await.unwrap();
                let locked = work.lock_stock(&names).await.unwrap();
                take_one_of_each(work.as_mut(), locked).await;
                work.commit().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for name in ["a", "b", "c"] {
        assert_eq!(storage.numbers(name, "v").await, (1_000, 60, 940));
        assert_eq!(storage.sellable(name).await, 940);
    }
}

async fn take_one_of_each(work: &mut (impl StockRepository + ?Sized), stock: Vec<ProductStock>) {
    let changes: Vec<StockChange> = stock
        .into_iter()
        .map(|mut product| {
            for vendor in &mut product.vendors {
                vendor.in_flight += 1;
            }
            StockChange {
                quantity: product.quantity(),
                product_id: product.product_id,
                vendors: product.vendors,
            }
        })
        .collect();
    work.save_stock(&changes).await.unwrap();
}
