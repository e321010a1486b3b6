//! A vendor gets another id, with everything that the store has of it.

use std::sync::Arc;

use clock_tokio::SystemClock;
use domain::order::{OrderState, OrderStatus};
use domain::ports::{RenamedVendor, StoreError};
use domain::services::{RenameVendor, RenameVendorError, SetStatus, VendorSetError};
use domain::vendor_set::{ConfiguredVendor, VendorSet};
use tokio::task::JoinSet;

use super::StorageUnderTest;
use crate::builders::{allocation, full, new_order, vendor, with_feed};
use crate::shop::Shop;

async fn rename(
    storage: &StorageUnderTest,
    old: &str,
    new: &str,
) -> Result<RenamedVendor, RenameVendorError> {
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor(old), &vendor(new)).await
}

/// The set of a vendor with this id that is read where `source_of` was read.
fn set_of(id: &str, source_of: &str) -> VendorSet {
    let vendor_id = vendor(id);
    let source = with_feed(vendor(source_of)).source;
    [ConfiguredVendor { vendor_id, source }]
        .into_iter()
        .collect()
}

/// Sold and shipped units stay in flight under the new id, and nothing can be sold a second time.
pub async fn a_renamed_vendor_keeps_its_stock_and_what_is_in_flight(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 50), ("q", 1)])).await;
    shop.report("w", full(&[("q", 2)])).await;
    let confirmed = shop.sell(storage, "p", 30).await;
    let shipped = shop.sell(storage, "p", 5).await;
    shop.change(shipped.id, OrderStatus::Shipped).await.unwrap();
    let cancelled = shop.sell(storage, "p", 1).await;

    let renamed = rename(storage, "v", "x").await.unwrap();
    let (positions, allocations) = (2, 3);
    assert_eq!(
        renamed,
        RenamedVendor {
            positions,
            allocations
        }
    );
    assert_eq!(storage.numbers("p", "x").await, (50, 36, 14));
    assert_eq!(storage.sellable("p").await, 14);
    assert_eq!(storage.sellable("q").await, 3);
    let order = storage.order(confirmed.id).await;
    assert_eq!(
        order.state,
        OrderState::Confirmed(vec![allocation("x", 30)])
    );
    storage.assert_sound().await;

    // With the settings that have the new id, life goes on where it was.
    let brought = shop
        .vendor_sets
        .apply_if_new(&set_of("x", "v"))
        .await
        .unwrap();
    assert_eq!(brought.status, SetStatus::Current);
    assert_eq!(storage.sellable("p").await, 14);
    let gone = shop.change(cancelled.id, OrderStatus::Cancelled).await;
    assert!(gone.unwrap().changed);
    assert_eq!(storage.numbers("p", "x").await, (50, 35, 15));
    shop.report("x", full(&[("p", 45), ("q", 1)])).await;
    assert_eq!(storage.numbers("p", "x").await, (45, 30, 15));
    storage.assert_sound().await;
}

/// No vendor, an id that has stock of its own, and the same id: nothing changes. An id that was configured and never had
/// stock is free.
pub async fn a_vendor_is_renamed_to_a_free_id_only(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w", "x"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    shop.report("w", full(&[("p", 1)])).await;
    shop.report("x", full(&[])).await;
    let order = shop.sell(storage, "p", 5).await;
    let nobody = rename(storage, "nobody", "y").await;
    assert!(matches!(nobody, Err(RenameVendorError::NotFound(_))));
    let taken = rename(storage, "v", "w").await;
    assert!(matches!(taken, Err(RenameVendorError::Taken(_))));
    let same = rename(storage, "v", "v").await;
    assert!(matches!(same, Err(RenameVendorError::SameId(_))));
    assert_eq!(storage.order(order.id).await, order);
    assert_eq!(storage.numbers("p", "v").await, (5, 5, 0));

    rename(storage, "v", "x").await.unwrap();
    assert_eq!(storage.numbers("p", "x").await, (5, 5, 0));
    storage.assert_sound().await;
}

/// A vendor under a new id that is read where another one was: what is sold of the one would be sold again of the other.
/// The refusal names the command, and after it the set is applied.
pub async fn a_source_that_another_vendor_has_is_refused(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 50)])).await;
    shop.sell(storage, "p", 30).await;
    let renamed = set_of("w", "v");
    for _ in 0..2 {
        for refused in [
            shop.vendor_sets.apply_if_new(&renamed).await.map(drop),
            shop.vendor_sets.apply(&renamed).await.map(drop),
            shop.vendor_sets.check_sources(&renamed).await,
        ] {
            let refused: VendorSetError = refused.unwrap_err();
            let command = "`vendor rename v w`";
            assert!(refused.to_string().contains(command), "{refused}");
        }
        assert_eq!(storage.sellable("p").await, 20);
    }
    // Also where the other one is not sold from any more.
    shop.configure(&["other"]).await;
    assert_eq!(storage.sellable("p").await, 0);
    shop.vendor_sets.apply_if_new(&renamed).await.unwrap_err();

    rename(storage, "v", "w").await.unwrap();
    shop.vendor_sets.check_sources(&renamed).await.unwrap();
    let brought = shop.vendor_sets.apply_if_new(&renamed).await.unwrap();
    assert!(brought.applied);
    shop.report("w", full(&[("p", 50)])).await;
    assert_eq!(storage.numbers("p", "w").await, (50, 30, 20));
    storage.assert_sound().await;
}

/// Orders are settled and cancelled while their vendor is renamed: each finds it under one id or the other.
pub async fn a_rename_that_races_with_orders_leaves_the_balances_right(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 40)])).await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let order = storage.place(new_order("p", 1)).await;
        let shop = shop.clone();
        tasks.spawn(async move {
            // Whether each succeeds depends on how long the rename takes.
            let _ = shop.try_settle(&[order.id]).await;
            if number % 2 == 0 {
                let _ = shop.change(order.id, OrderStatus::Cancelled).await;
            }
        });
    }
    let renamed: Result<_, RenameVendorError> = rename(storage, "v", "w").await;
    tasks.join_all().await;
    // It may be given up for the others' sake, and then changes nothing.
    let id = match renamed {
        Ok(_) => "w",
        Err(RenameVendorError::Store(StoreError::Conflict(_) | StoreError::Unavailable(_))) => "v",
        Err(other) => panic!("{other}"),
    };
    let (reported, in_flight, available) = storage.numbers("p", id).await;
    assert_eq!((reported, in_flight + available), (40, 40));
    storage.assert_sound().await;
}
