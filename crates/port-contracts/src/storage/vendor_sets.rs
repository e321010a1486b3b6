//! Vendor sets: which one is current, and the state of vendors that are switched on or off.

use domain::identifiers::VendorId;
use domain::ports::{FirstSyncs, StoredVendorSet, SyncOutcome};
use domain::services::SetStatus;
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember};
use tokio::task::JoinSet;

use super::StorageUnderTest;
use crate::builders::{configured, full, vendor, vendor_set};
use crate::use_cases::UseCases;

async fn stored(storage: &StorageUnderTest, ids: &[&str]) -> StoredVendorSet {
    let digest = vendor_set(ids).digest();
    storage.vendor_sets.find_vendor_set(&digest).await.unwrap()
}

/// Asserts that this set is the current one, and that its vendors are the configured ones.
async fn assert_current(storage: &StorageUnderTest, ids: &[&str]) {
    let stored = stored(storage, ids).await;
    assert!(stored.record.is_current, "{stored:?}");
    assert_eq!(vendors_of(&stored.configured), configured(ids));
}

fn vendors_of(members: &[SetMember]) -> Vec<ConfiguredVendor> {
    members.iter().map(|member| member.vendor.clone()).collect()
}

async fn first_syncs(storage: &StorageUnderTest) -> FirstSyncs {
    storage.begin().await.first_syncs().await.unwrap()
}

/// A set that was never applied is newer than every other one, and its vendors are configured from then on.
pub async fn a_new_set_becomes_the_current_one(storage: &StorageUnderTest) {
    let unknown = stored(storage, &["v"]).await;
    assert!(!unknown.record.was_applied && !unknown.record.is_current);
    assert_eq!(unknown.configured, []);
    let use_cases = UseCases::open(storage, &["v"]).await;
    assert_current(storage, &["v"]).await;
    for ids in [&["v", "w"][..], &["w"], &[], &["x"]] {
        let outcome = use_cases
            .vendor_sets
            .apply_if_new(&vendor_set(ids))
            .await
            .unwrap();
        assert!(outcome.applied);
        assert_eq!(outcome.status, SetStatus::Current);
        assert_eq!(vendors_of(&outcome.configured), configured(ids));
        assert_current(storage, ids).await;
    }
    let earlier = stored(storage, &["v"]).await.record;
    assert!(earlier.was_applied && !earlier.is_current);
}

/// A process with a superseded set does not apply it again; an operator can, and then the other set is superseded.
pub async fn a_superseded_set_is_applied_only_explicitly(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases
        .vendor_sets
        .apply_if_new(&vendor_set(&["v", "w"]))
        .await
        .unwrap();
    use_cases.report("w", full(&[("p", 5)])).await;
    for _ in 0..2 {
        let outcome = use_cases
            .vendor_sets
            .apply_if_new(&vendor_set(&["v"]))
            .await
            .unwrap();
        assert_eq!(outcome.status, SetStatus::Superseded);
        assert!(!outcome.applied);
        assert_eq!(vendors_of(&outcome.configured), configured(&["v", "w"]));
    }
    assert_eq!(storage.sellable("p").await, 5);

    let applied = use_cases
        .vendor_sets
        .apply(&vendor_set(&["v"]))
        .await
        .unwrap();
    assert!(applied.applied);
    assert_current(storage, &["v"]).await;
    assert_eq!(storage.sellable("p").await, 0);
    let both = use_cases
        .vendor_sets
        .apply_if_new(&vendor_set(&["v", "w"]))
        .await;
    assert_eq!(both.unwrap().status, SetStatus::Superseded);
    assert_current(storage, &["v"]).await;
    storage.assert_sound().await;
}

/// Applying the current set again, as a restart does, is not a change: no vendor counts as untried, and the stock is
/// unchanged.
pub async fn applying_the_current_set_again_changes_nothing(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let before = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let level = storage.vendor_level("p", "v").await;
    for _ in 0..2 {
        let outcome = use_cases
            .vendor_sets
            .apply_if_new(&vendor_set(&["v"]))
            .await
            .unwrap();
        assert_eq!(outcome.status, SetStatus::Current);
        assert!(!outcome.applied);
        use_cases
            .vendor_sets
            .apply(&vendor_set(&["v"]))
            .await
            .unwrap();
    }
    let mut after = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    // The age depends on the time of the read.
    after[0].age = before[0].age;
    assert_eq!(after, before);
    assert_eq!(storage.vendor_level("p", "v").await, level);
    assert_eq!(storage.sellable("p").await, 5);
}

/// Vendors that a tool adds are configured in addition to the current set, and nothing else changes.
pub async fn adding_vendors_removes_none_and_keeps_the_set_current(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let seed = ConfiguredVendor {
        vendor_id: vendor("seed"),
        source: None,
    };
    for _ in 0..2 {
        use_cases
            .vendor_sets
            .add(std::slice::from_ref(&seed))
            .await
            .unwrap();
        let stored = stored(storage, &["v", "w"]).await;
        assert!(stored.record.is_current);
        let mut expected = vec![seed.clone()];
        expected.extend(configured(&["v", "w"]));
        assert_eq!(vendors_of(&stored.configured), expected);
        use_cases
            .vendor_sets
            .apply_if_new(&vendor_set(&["v", "w"]))
            .await
            .unwrap();
    }
    use_cases.report("seed", full(&[("p", 2)])).await;
    assert_eq!(storage.sellable("p").await, 7);
    storage.assert_sound().await;
}

/// A vendor of the current set that was switched off by something else is switched on again, and only that one.
pub async fn the_current_set_is_applied_again_when_one_of_its_vendors_is_missing(
    storage: &StorageUnderTest,
) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.report("w", full(&[("p", 2)])).await;
    storage.configure(&["w"]).await;
    let outcome = use_cases
        .vendor_sets
        .apply_if_new(&vendor_set(&["v", "w"]))
        .await;
    let members = outcome.unwrap().configured;
    assert_eq!(vendors_of(&members), configured(&["v", "w"]));
    // Readers can see which vendor was switched on last.
    assert!(members[0].configured_at > members[1].configured_at);
    assert_eq!(storage.numbers("p", "w").await, (2, 0, 2));
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));
    use_cases.report("v", full(&[("p", 5)])).await;
    assert_eq!(storage.sellable("p").await, 7);
    storage.assert_sound().await;
}

/// A vendor that returns counts as never tried and its stock as 0, and its units in flight stay until a report includes
/// them.
pub async fn a_vendor_that_is_switched_on_again_counts_as_untried(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("z", 50)])).await;
    let order = use_cases.sell(storage, "z", 10).await;
    use_cases.configure(&[]).await;
    assert_eq!(storage.numbers("z", "v").await, (50, 10, 0));
    use_cases.configure(&["v"]).await;
    assert!(!storage.probe.were_tried(&[vendor("v")]).await.unwrap());
    assert_eq!(storage.numbers("z", "v").await, (0, 10, 0));
    assert_eq!(storage.sellable("z").await, 0);
    storage.assert_sound().await;

    use_cases.ship(order.id).await;
    let done = use_cases.report("v", full(&[("z", 40)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(storage.numbers("z", "v").await, (40, 0, 40));
    storage.assert_sound().await;
}

/// Vendors that are switched off and those without a source defer no rejection.
pub async fn first_syncs_are_those_of_configured_vendors_with_a_source(storage: &StorageUnderTest) {
    assert_eq!(first_syncs(storage).await.untried, None);
    let before = storage.probe.store_time().await.unwrap();
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let manual = ConfiguredVendor {
        vendor_id: vendor("by hand"),
        source: None,
    };
    use_cases.vendor_sets.add(&[manual]).await.unwrap();
    let found = first_syncs(storage).await;
    let configured_at = found.untried.unwrap().configured_at;
    assert!(before < configured_at && configured_at < found.now);

    use_cases.report("v", full(&[("p", 1)])).await;
    assert!(first_syncs(storage).await.untried.is_some());
    use_cases.report("w", full(&[("p", 1)])).await;
    assert_eq!(first_syncs(storage).await.untried, None);
    // Switched on later than the others.
    use_cases.configure(&["v"]).await;
    use_cases.configure(&["v", "w"]).await;
    let again: Timestamp = first_syncs(storage).await.untried.unwrap().configured_at;
    assert!(again > configured_at);
    use_cases.configure(&["v"]).await;
    assert_eq!(first_syncs(storage).await.untried, None);
}

/// Concurrent processes that apply different sets leave one of them, as a whole.
pub async fn concurrent_sets_leave_one_current_set_and_its_vendors(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 1)])).await;
    use_cases.report("w", full(&[("p", 2)])).await;
    let sets: [&[&str]; 4] = [&["v"], &["w"], &["v", "w", "x"], &["y"]];
    let mut tasks = JoinSet::new();
    for ids in sets {
        for _ in 0..2 {
            let (sets, set) = (use_cases.vendor_sets.clone(), vendor_set(ids));
            tasks.spawn(async move { sets.apply_if_new(&set).await.unwrap() });
        }
    }
    let outcomes = tasks.join_all().await;
    // Each set was new to one of the processes that applied it.
    assert_eq!(outcomes.iter().filter(|it| it.applied).count(), sets.len());
    let mut current = Vec::new();
    for ids in sets {
        let stored = stored(storage, ids).await;
        assert!(stored.record.was_applied);
        if stored.record.is_current {
            let found = stored
                .configured
                .iter()
                .map(|it| it.vendor.vendor_id.clone());
            let expected: Vec<VendorId> = ids.iter().map(|id| vendor(id)).collect();
            assert_eq!(found.collect::<Vec<_>>(), expected);
            current.push(ids);
        }
    }
    assert_eq!(current.len(), 1, "{current:?}");
    storage.assert_sound().await;
}
