//! The pauses of vendors whose syncs failed.

use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::pacing::{RetryAfter, VendorPause};
use domain::ports::{FeedError, OtherVendors, StoredPause, SyncOutcome};
use domain::services::{QuarantineDecision, RenameVendor, SyncError};

use super::StorageUnderTest;
use crate::builders::{configured, full, vendor};
use crate::use_cases::UseCases;

const HOUR: Duration = Duration::from_hours(1);

/// Returns the pauses of the vendors `v` and `w`, read outside a transaction.
async fn pauses(storage: &StorageUnderTest) -> Vec<(String, VendorPause)> {
    let ids = [vendor("v"), vendor("w")];
    let found = storage.probe.find_pauses(&ids).await.unwrap().into_iter();
    found
        .map(|stored: StoredPause| (stored.vendor_id.into_string(), stored.pause))
        .collect()
}

/// Configures two vendors, and saves a pause of the first.
async fn paused(storage: &StorageUnderTest) -> VendorPause {
    let mut work = storage.begin().await;
    let vendors = configured(&["v", "w"]);
    work.configure(&vendors, OtherVendors::SwitchOff)
        .await
        .unwrap();
    let now = work.store_time().await.unwrap();
    let pause = VendorPause {
        failures: 3,
        not_before: Some(now.plus(Duration::from_micros(1_234_567))),
        backoff_until: None,
    };
    work.lock_vendor(&vendor("v")).await.unwrap().unwrap();
    work.save_pause(&vendor("v"), &pause).await.unwrap();
    work.commit().await.unwrap();
    pause
}

/// A pause is read as it was written, inside a transaction and outside; a later one replaces it.
pub async fn a_pause_is_stored_to_the_microsecond_and_replaced(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    assert_eq!(pauses(storage).await, [("v".to_owned(), pause)]);
    let before = storage.probe.store_time().await.unwrap();
    let found = storage.probe.find_pauses(&[vendor("v")]).await.unwrap();
    assert!(found[0].now >= before);
    assert_eq!(storage.probe.find_pauses(&[]).await.unwrap(), []);

    let next = VendorPause {
        failures: i32::MAX.cast_unsigned(),
        not_before: None,
        backoff_until: pause.not_before,
    };
    let mut work = storage.begin().await;
    assert_eq!(work.find_pause(&vendor("v")).await.unwrap(), Some(pause));
    assert_eq!(work.find_pause(&vendor("w")).await.unwrap(), None);
    work.save_pause(&vendor("v"), &next).await.unwrap();
    assert_eq!(work.find_pause(&vendor("v")).await.unwrap(), Some(next));
    work.commit().await.unwrap();
    assert_eq!(pauses(storage).await, [("v".to_owned(), next)]);
}

/// A pause needs a known vendor.
pub async fn a_pause_of_an_unknown_vendor_is_refused(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    let mut work = storage.begin().await;
    work.save_pause(&vendor("unknown"), &pause)
        .await
        .unwrap_err();
    drop(work);
    assert_eq!(pauses(storage).await, [("v".to_owned(), pause)]);
}

/// The pause is returned, so that the caller can log its end.
pub async fn a_cleared_pause_is_returned_once(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    let mut work = storage.begin().await;
    assert_eq!(work.clear_pause(&vendor("w")).await.unwrap(), None);
    assert_eq!(work.clear_pause(&vendor("v")).await.unwrap(), Some(pause));
    assert_eq!(work.clear_pause(&vendor("v")).await.unwrap(), None);
    work.commit().await.unwrap();
    assert_eq!(pauses(storage).await, []);
}

/// Neither a new pause nor the end of one is kept after a rollback.
pub async fn a_pause_is_rolled_back_with_its_unit_of_work(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    let mut work = storage.begin().await;
    work.save_pause(&vendor("w"), &pause).await.unwrap();
    work.clear_pause(&vendor("v")).await.unwrap();
    drop(work);
    assert_eq!(pauses(storage).await, [("v".to_owned(), pause)]);
}

/// The vendor counts as never tried. Configuring a configured vendor again changes nothing.
pub async fn a_vendor_that_is_switched_on_again_has_no_pause(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    storage.configure(&["v"]).await;
    assert_eq!(pauses(storage).await, [("v".to_owned(), pause)]);
    storage.configure(&["w"]).await;
    assert_eq!(pauses(storage).await, [("v".to_owned(), pause)]);
    storage.configure(&["v", "w"]).await;
    assert_eq!(pauses(storage).await, []);
}

/// A pause that a vendor demanded applies under its new id too.
pub async fn a_renamed_vendor_keeps_its_pause(storage: &StorageUnderTest) {
    let pause = paused(storage).await;
    let mut work = storage.begin().await;
    let replaced = VendorPause {
        failures: 9,
        ..pause
    };
    work.save_pause(&vendor("w"), &replaced).await.unwrap();
    work.commit().await.unwrap();
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor("v"), &vendor("w")).await.unwrap();
    assert_eq!(pauses(storage).await, [("w".to_owned(), pause)]);
}

fn retry_later(span: Duration) -> FeedError {
    FeedError::RetryLater {
        reason: "the vendor responded with 429".to_owned(),
        retry_after: RetryAfter::new(span).unwrap(),
    }
}

/// Each failure is counted, in the transaction of its record, and any sync that does not fail ends the pause.
pub async fn a_failed_sync_pauses_the_vendor_and_a_success_ends_it(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let failures = [
        FeedError::Unavailable("unreachable".to_owned()),
        retry_later(HOUR),
        FeedError::Malformed("not a list".to_owned().into()),
    ];
    for (failure, count) in failures.into_iter().zip(1..) {
        let before = storage.probe.store_time().await.unwrap();
        use_cases.try_report("v", Err(failure)).await.unwrap_err();
        let (_, pause) = pauses(storage).await.remove(0);
        assert_eq!(pause.failures, count);
        // The pause that the second failure demanded outlasts the third failure.
        let demanded = pause.demanded_until(before);
        assert_eq!(demanded.is_some(), count > 1, "{pause:?}");
        assert!(demanded.is_none_or(|until| until >= before.plus(HOUR / 2)));
        assert_eq!(pause.backoff_until, None, "the sync interval is unknown");
    }
    use_cases.report("v", full(&[("p", 1)])).await;
    assert_eq!(pauses(storage).await, []);
}

/// No request is sent to the vendor, and nothing is recorded.
pub async fn a_pause_demanded_by_the_vendor_prevents_a_sync_on_demand(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let unreachable = FeedError::Unavailable("unreachable".to_owned());
    use_cases
        .try_report("v", Err(unreachable.clone()))
        .await
        .unwrap_err();
    use_cases
        .report_on_demand("v", Ok(full(&[])))
        .await
        .unwrap();
    use_cases
        .try_report("v", Err(retry_later(HOUR)))
        .await
        .unwrap_err();
    let paused = pauses(storage).await;
    let refused = use_cases.report_on_demand("v", Ok(full(&[("p", 5)]))).await;
    let Err(SyncError::Paused { wait, .. }) = refused else {
        panic!("the vendor received a request: {refused:?}");
    };
    assert!(wait <= HOUR && wait > HOUR / 2, "{wait:?}");
    assert_eq!(pauses(storage).await, paused);
}

/// A vendor that is no longer configured has no failures.
pub async fn failures_of_an_unconfigured_vendor_are_not_counted(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.configure(&["w"]).await;
    let refused = use_cases.try_report("v", Ok(full(&[]))).await;
    assert!(matches!(refused, Err(SyncError::NotConfigured(_))));
    let unreachable = FeedError::Unavailable("unreachable".to_owned());
    use_cases
        .try_report("v", Err(unreachable))
        .await
        .unwrap_err();
    assert_eq!(pauses(storage).await, []);
}

/// No request was sent to the vendor.
pub async fn a_quarantine_decision_ends_no_pause(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 1)])).await;
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    let demanded = use_cases.try_report("v", Err(retry_later(HOUR))).await;
    demanded.unwrap_err();
    let paused = pauses(storage).await;
    assert_eq!(paused.len(), 1);
    let accept = QuarantineDecision::Accept;
    let done = use_cases.resolve_quarantine("v", accept).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(pauses(storage).await, paused);
}
