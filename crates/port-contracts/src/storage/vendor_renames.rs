//! Renaming a vendor, with all its rows.

use std::sync::Arc;

use clock_tokio::SystemClock;
use domain::order::{OrderState, OrderStatus};
use domain::ports::{RenamedVendor, StoreError};
use domain::services::{RenameVendor, RenameVendorError, SetStatus, VendorSetError};
use domain::vendor_set::{ConfiguredVendor, VendorSet};
use tokio::task::JoinSet;

use super::StorageUnderTest;
use crate::builders::{allocation, full, new_order, vendor, with_feed};
use crate::use_cases::UseCases;

async fn rename(
    storage: &StorageUnderTest,
    old: &str,
    new: &str,
) -> Result<RenamedVendor, RenameVendorError> {
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor(old), &vendor(new)).await
}

/// Returns the set of one vendor with this id and the source of `source_of`.
fn set_of(id: &str, source_of: &str) -> VendorSet {
    let vendor_id = vendor(id);
    let source = with_feed(vendor(source_of)).source;
    [ConfiguredVendor { vendor_id, source }]
        .into_iter()
        .collect()
}

/// Sold and shipped units stay in flight under the new id, and no unit can be sold a second time.
pub async fn a_renamed_vendor_keeps_its_stock_and_units_in_flight(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 50), ("q", 1)])).await;
    use_cases.report("w", full(&[("q", 2)])).await;
    let confirmed = use_cases.sell(storage, "p", 30).await;
    use_cases.sell_and_ship(storage, "p", 5).await;
    let cancelled = use_cases.sell(storage, "p", 1).await;

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

    // With the new id in the settings, syncs and orders continue.
    let outcome = use_cases
        .vendor_sets
        .apply_if_new(&set_of("x", "v"))
        .await
        .unwrap();
    assert_eq!(outcome.status, SetStatus::Current);
    assert_eq!(storage.sellable("p").await, 14);
    let change = use_cases.change(cancelled.id, OrderStatus::Cancelled).await;
    assert!(change.unwrap().changed);
    assert_eq!(storage.numbers("p", "x").await, (50, 35, 15));
    use_cases.report("x", full(&[("p", 45), ("q", 1)])).await;
    assert_eq!(storage.numbers("p", "x").await, (45, 30, 15));
    storage.assert_sound().await;
}

/// An unknown vendor, an id with its own stock, and the same id are refused, and nothing changes. An id that was configured
/// and never had stock is free. A rename that is repeated changes nothing and is reported as such.
pub async fn a_vendor_is_renamed_to_a_free_id_only(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w", "x"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.report("w", full(&[("p", 1)])).await;
    use_cases.report("x", full(&[])).await;
    let order = use_cases.sell(storage, "p", 5).await;
    let unknown = rename(storage, "unknown", "y").await;
    assert!(matches!(unknown, Err(RenameVendorError::NotFound(_))));
    let taken = rename(storage, "v", "w").await;
    assert!(matches!(taken, Err(RenameVendorError::Taken(_))));
    let same = rename(storage, "v", "v").await;
    assert!(matches!(same, Err(RenameVendorError::SameId(_))));
    assert_eq!(storage.order(order.id).await, order);
    assert_eq!(storage.numbers("p", "v").await, (5, 5, 0));

    rename(storage, "v", "x").await.unwrap();
    assert_eq!(storage.numbers("p", "x").await, (5, 5, 0));
    let again = rename(storage, "v", "x").await.unwrap_err();
    assert_eq!(
        again.to_string(),
        "there is no vendor v, and there is a vendor x: the rename was done before, if v is the right id"
    );
    storage.assert_sound().await;
}

/// A new vendor id with the source of another vendor is refused: units that were sold of the one would be sold again of the
/// other. The error names the command, and after the rename the set is applied.
pub async fn a_source_of_another_vendor_is_refused(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 50)])).await;
    use_cases.sell(storage, "p", 30).await;
    let renamed = set_of("w", "v");
    for _ in 0..2 {
        for refused in [
            use_cases.vendor_sets.apply_if_new(&renamed).await.map(drop),
            use_cases.vendor_sets.apply(&renamed).await.map(drop),
            use_cases.vendor_sets.check_sources(&renamed).await,
        ] {
            let refused: VendorSetError = refused.unwrap_err();
            let command = "`order-aggregator-admin vendor rename v w`";
            assert!(refused.to_string().contains(command), "{refused}");
        }
        assert_eq!(storage.sellable("p").await, 20);
    }
    // The source is also refused if the other vendor is no longer configured.
    use_cases.configure(&["other"]).await;
    assert_eq!(storage.sellable("p").await, 0);
    use_cases
        .vendor_sets
        .apply_if_new(&renamed)
        .await
        .unwrap_err();

    rename(storage, "v", "w").await.unwrap();
    use_cases.vendor_sets.check_sources(&renamed).await.unwrap();
    let outcome = use_cases.vendor_sets.apply_if_new(&renamed).await.unwrap();
    assert!(outcome.applied);
    use_cases.report("w", full(&[("p", 50)])).await;
    assert_eq!(storage.numbers("p", "w").await, (50, 30, 20));
    storage.assert_sound().await;
}

/// Orders are settled and cancelled while their vendor is renamed: each transaction finds the vendor under one id or the
/// other.
pub async fn a_rename_during_settlement_leaves_the_balances_right(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 40)])).await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let order = storage.place(new_order("p", 1)).await;
        let use_cases = use_cases.clone();
        tasks.spawn(async move {
            // Each may fail, depending on the duration of the rename.
            let _ = use_cases.try_settle(&[order.id]).await;
            if number % 2 == 0 {
                let _ = use_cases.change(order.id, OrderStatus::Cancelled).await;
            }
        });
    }
    let renamed: Result<_, RenameVendorError> = rename(storage, "v", "w").await;
    tasks.join_all().await;
    // The rename may be aborted in favour of the others, and then changes nothing.
    let id = match renamed {
        Ok(_) => "w",
        Err(RenameVendorError::Store(StoreError::Conflict(_) | StoreError::Unavailable(_))) => "v",
        Err(other) => panic!("{other}"),
    };
    let (reported, in_flight, available) = storage.numbers("p", id).await;
    assert_eq!((reported, in_flight + available), (40, 40));
    storage.assert_sound().await;
}
