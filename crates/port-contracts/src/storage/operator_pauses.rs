//! Pauses of vendors that an operator ordered.

use std::sync::Arc;

use clock_tokio::SystemClock;
use domain::pacing::VendorPause;
use domain::ports::{FeedError, OperatorPause, OtherVendors, StoreError, StoredPause};
use domain::services::{PauseReason, PauseVendor, PauseVendorError, RenameVendor, SyncDelay};
use domain::vendor_set::{ConfiguredVendor, VendorSource};

use super::StorageUnderTest;
use super::damage::Damage;
use crate::builders::{full, vendor};
use crate::use_cases::UseCases;

fn pausing(storage: &StorageUnderTest) -> PauseVendor {
    PauseVendor::new(storage.store.clone(), Arc::new(SystemClock))
}

async fn stored(storage: &StorageUnderTest) -> Vec<StoredPause> {
    let ids = [vendor("v"), vendor("w")];
    storage.probe.find_pauses(&ids).await.unwrap()
}

async fn pauses(storage: &StorageUnderTest) -> Vec<(String, Option<OperatorPause>)> {
    let found = stored(storage).await.into_iter();
    found
        .map(|stored| (stored.vendor_id.into_string(), stored.operator))
        .collect()
}

/// A pause is read as it was written. Pausing again keeps the time, and the reason unless there is a new one; ending it
/// returns it once, and the next pause has no reason of it.
pub async fn an_operator_pause_is_stored_until_it_is_ended(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let pausing = pausing(storage);
    let before = storage.probe.store_time().await.unwrap();
    let reason = "stocktaking \u{fc}\u{1f600}";
    let given = PauseReason::parse(reason).unwrap();
    let paused = pausing.pause(&vendor("v"), Some(&given)).await.unwrap();
    assert_eq!(paused.reason.as_deref(), Some(reason));
    assert!(before <= paused.since);
    assert!(paused.since <= storage.probe.store_time().await.unwrap());
    let found = stored(storage).await;
    assert_eq!(found[0].pause, VendorPause::default());
    assert_eq!(
        pauses(storage).await,
        [("v".to_owned(), Some(paused.clone()))]
    );
    let again = pausing.pause(&vendor("v"), None).await.unwrap();
    assert_eq!(again, paused);
    let moving = PauseReason::parse("moving").unwrap();
    let again = pausing.pause(&vendor("v"), Some(&moving)).await.unwrap();
    let expected = OperatorPause {
        since: paused.since,
        reason: Some("moving".to_owned()),
    };
    assert_eq!(again, expected);
    assert_eq!(
        pauses(storage).await,
        [("v".to_owned(), Some(expected.clone()))]
    );
    assert_eq!(pausing.resume(&vendor("w")).await.unwrap(), None);
    assert_eq!(pausing.resume(&vendor("v")).await.unwrap(), Some(expected));
    assert_eq!(pausing.resume(&vendor("v")).await.unwrap(), None);
    assert_eq!(pauses(storage).await, []);
    let new = pausing.pause(&vendor("v"), None).await.unwrap();
    assert_eq!(new.reason, None);
    let unknown = pausing.pause(&vendor("unknown"), None).await;
    assert!(matches!(unknown, Err(PauseVendorError::NotFound(_))));
    assert_eq!(pausing.resume(&vendor("unknown")).await.unwrap(), None);
}

/// A pause delays no pushed report, so it is refused.
pub async fn a_vendor_that_pushes_its_reports_is_not_paused(storage: &StorageUnderTest) {
    let pushing = ConfiguredVendor {
        vendor_id: vendor("v"),
        source: Some(VendorSource::new("push:v", None, "").unwrap()),
    };
    let mut work = storage.begin().await;
    work.configure(&[pushing], OtherVendors::SwitchOff)
        .await
        .unwrap();
    work.commit().await.unwrap();
    let refused = pausing(storage).pause(&vendor("v"), None).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "vendor v pushes its reports: it has no scheduled syncs to pause"
    );
    assert_eq!(pauses(storage).await, []);
}

/// Only the source of the vendor itself is read.
pub async fn an_unreadable_source_prevents_no_pause_of_another_vendor(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    if !(storage.damage)(Damage::UnreadableSource("w")).await {
        return;
    }
    let pausing = pausing(storage);
    let paused = pausing.pause(&vendor("v"), None).await.unwrap();
    assert_eq!(pauses(storage).await, [("v".to_owned(), Some(paused))]);
    let refused = pausing.pause(&vendor("w"), None).await;
    let Err(PauseVendorError::Store(StoreError::Corrupt { column, row, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((column, row.as_str()), ("source", "w"));
}

/// The pause moves with a rename, and switching the vendor off and on does not end it. A replaced row loses its pause.
pub async fn an_operator_pause_is_a_part_of_the_vendor(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let pausing = pausing(storage);
    let [x, y] = ["x", "y"].map(|reason| PauseReason::parse(reason).unwrap());
    let paused = pausing.pause(&vendor("v"), Some(&x)).await.unwrap();
    pausing.pause(&vendor("w"), Some(&y)).await.unwrap();
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor("v"), &vendor("w")).await.unwrap();
    let expected = [("w".to_owned(), Some(paused))];
    assert_eq!(pauses(storage).await, expected);
    storage.configure(&["x"]).await;
    storage.configure(&["w", "x"]).await;
    assert_eq!(pauses(storage).await, expected);
}

/// An operator's pause delays scheduled syncs whatever their results, and prevents no sync on demand. The failures of the
/// vendor are counted as without it.
pub async fn an_operator_pause_delays_only_scheduled_syncs(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    assert_eq!(use_cases.delay("v").await, None);
    let paused = pausing(storage).pause(&vendor("v"), None).await.unwrap();
    let delay = Some(SyncDelay::PausedByOperator(paused));
    assert_eq!(use_cases.delay("v").await, delay);
    let done = use_cases.report_on_demand("v", Ok(full(&[("p", 5)]))).await;
    assert_eq!(done.unwrap().changed, 1);
    assert_eq!(use_cases.delay("v").await, delay);
    let failed = Err(FeedError::Unavailable("unreachable".to_owned()));
    use_cases.try_report("v", failed).await.unwrap_err();
    let found = stored(storage).await;
    assert_eq!(found[0].pause.failures, 1);
    assert_eq!(use_cases.delay("v").await, delay);
    pausing(storage).resume(&vendor("v")).await.unwrap();
    let found = stored(storage).await;
    assert_eq!((found[0].pause.failures, &found[0].operator), (1, &None));
    // Its sync interval is unknown here, so there is no backoff.
    assert_eq!(use_cases.delay("v").await, None);
}
