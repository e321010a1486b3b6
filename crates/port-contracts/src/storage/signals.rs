//! Leases, and notifications.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Listener, Topic};
use tokio::time::{Instant, sleep, timeout};

use super::{SHORT_DELAY, StorageUnderTest, created, immediately};
use crate::builders::new_order;

/// Timeout, longer than a notification is delivered and a listener connects.
const LONG: Duration = Duration::from_secs(20);

/// Timeout for a dropped lease to become free.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

const QUIET: Duration = Duration::from_millis(300);

/// A lease has one holder, others do not wait for it, and it is free after the holder drops it. Other leases are unaffected.
pub async fn a_lease_has_one_holder(storage: &StorageUnderTest) {
    let acquire = async |name: &str| {
        let acquired = immediately(storage.leases.try_acquire(name)).await;
        acquired.unwrap()
    };
    let mut held = acquire("sweeper").await.unwrap();
    assert!(held.is_held().await);
    assert!(acquire("sweeper").await.is_none());
    assert!(acquire("sweeper").await.is_none());
    let mut other = acquire("vendor vendor-a").await.unwrap();
    assert!(held.is_held().await && other.is_held().await);

    drop(held);
    let deadline = Instant::now() + RELEASE_TIMEOUT;
    let mut next = loop {
        if let Some(lease) = acquire("sweeper").await {
            break lease;
        }
        assert!(
            Instant::now() < deadline,
            "a dropped lease was not released"
        );
        sleep(SHORT_DELAY / 5).await;
    };
    assert!(next.is_held().await && other.is_held().await);
    assert!(acquire("sweeper").await.is_none());
}

/// Of many concurrent callers one acquires the lease.
pub async fn one_of_many_callers_acquires_the_lease(storage: &StorageUnderTest) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let leases = Arc::clone(&storage.leases);
        tasks.spawn(async move { leases.try_acquire("one").await.unwrap() });
    }
    let leases = tasks.join_all().await;
    assert_eq!(leases.iter().flatten().count(), 1);
}

/// A holder whose runtime ends without dropping the lease loses it.
pub async fn a_holder_that_ends_with_its_runtime_loses_its_lease(storage: &StorageUnderTest) {
    let leases = Arc::clone(&storage.leases);
    let holder = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let lease = runtime.block_on(leases.try_acquire("one")).unwrap();
        assert!(lease.is_some());
        runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(lease);
        });
    });
    tokio::task::spawn_blocking(|| holder.join().unwrap())
        .await
        .unwrap();
    let deadline = Instant::now() + RELEASE_TIMEOUT;
    while storage.leases.try_acquire("one").await.unwrap().is_none() {
        assert!(
            Instant::now() < deadline,
            "the lease of an ended runtime was not released"
        );
        sleep(SHORT_DELAY / 5).await;
    }
}

/// Waits until the listener is connected and has received all earlier notifications.
async fn drain_notifications(storage: &StorageUnderTest, listener: &mut dyn Listener) {
    let deadline = Instant::now() + LONG;
    while waited(listener, QUIET).await >= QUIET {
        assert!(Instant::now() < deadline, "no notification was received");
        storage.notifier.notify(Topic::Outbox);
    }
    while waited(listener, QUIET).await < QUIET {
        assert!(
            Instant::now() < deadline,
            "the listener still receives notifications"
        );
    }
}

async fn waited(listener: &mut dyn Listener, limit: Duration) -> Duration {
    let start = Instant::now();
    listener.wait(limit).await;
    start.elapsed()
}

/// A wait without a notification ends after its limit.
pub async fn a_wait_without_a_notification_times_out(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    drain_notifications(storage, listener.as_mut()).await;
    let waited = waited(listener.as_mut(), SHORT_DELAY).await;
    assert!(
        waited >= SHORT_DELAY && waited < SHORT_DELAY * 20,
        "{waited:?}"
    );
}

/// A notification ends a wait in progress.
pub async fn a_notification_ends_the_wait(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    drain_notifications(storage, listener.as_mut()).await;
    let notifier = Arc::clone(&storage.notifier);
    let later = tokio::spawn(async move {
        sleep(SHORT_DELAY).await;
        notifier.notify(Topic::Outbox);
    });
    let waited = waited(listener.as_mut(), LONG).await;
    later.await.unwrap();
    assert!(
        waited >= SHORT_DELAY / 2 && waited < RELEASE_TIMEOUT,
        "{waited:?}"
    );
}

/// A notification without a waiting listener ends the next wait, and many of them end few waits.
pub async fn a_notification_before_the_wait_is_not_lost(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    drain_notifications(storage, listener.as_mut()).await;
    storage.notifier.notify(Topic::Outbox);
    sleep(QUIET).await;
    let took = waited(listener.as_mut(), LONG).await;
    assert!(took < RELEASE_TIMEOUT, "{took:?}");

    for _ in 0..100 {
        storage.notifier.notify(Topic::Outbox);
    }
    sleep(QUIET).await;
    let mut returns = 0;
    while waited(listener.as_mut(), QUIET).await < QUIET {
        returns += 1;
    }
    assert!((1..=100).contains(&returns), "{returns}");
}

/// Listeners receive only their topic, all listeners of a topic receive it, and topics notified together are all received.
pub async fn listeners_receive_only_their_topic(storage: &StorageUnderTest) {
    let mut outbox = (storage.listeners)(Topic::Outbox);
    let mut changes = [(); 2].map(|()| (storage.listeners)(Topic::Changes));
    drain_notifications(storage, outbox.as_mut()).await;
    for listener in &mut changes {
        let deadline = Instant::now() + LONG;
        while waited(listener.as_mut(), QUIET).await >= QUIET {
            assert!(Instant::now() < deadline, "no notification was received");
            storage.notifier.notify(Topic::Changes);
        }
    }
    for listener in &mut changes {
        while waited(listener.as_mut(), QUIET).await < QUIET {}
    }
    assert!(waited(outbox.as_mut(), QUIET).await >= QUIET);

    storage.notifier.notify(Topic::Changes);
    storage.notifier.notify(Topic::Outbox);
    assert!(waited(outbox.as_mut(), LONG).await < RELEASE_TIMEOUT);
    for listener in &mut changes {
        assert!(waited(listener.as_mut(), LONG).await < RELEASE_TIMEOUT);
    }
}

/// A commit notifies the topics that the unit of work promised to notify, and its writes are visible then. A unit of work that is
/// dropped notifies none.
pub async fn a_commit_notifies_if_the_unit_of_work_promised_it(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    drain_notifications(storage, listener.as_mut()).await;
    let mut work = storage.begin().await;
    work.accept(&[new_order("p", 1)]).await.unwrap();
    if !work.notify_on_commit(Topic::Outbox) {
        return;
    }
    drop(work);
    assert!(waited(listener.as_mut(), QUIET).await >= QUIET);

    let mut work = storage.begin().await;
    let accepted = work.accept(&[new_order("p", 1)]).await.unwrap();
    let order = created(accepted.into_iter().next().unwrap());
    assert!(work.notify_on_commit(Topic::Outbox));
    work.commit().await.unwrap();
    assert!(waited(listener.as_mut(), LONG).await < RELEASE_TIMEOUT);
    assert_eq!(
        storage.orders.find_order(order.id).await.unwrap(),
        Some(order)
    );
}

/// `notify` returns immediately, whatever the number of notifications.
pub async fn notifying_does_not_wait(storage: &StorageUnderTest) {
    let notifier = Arc::clone(&storage.notifier);
    let notifying = tokio::task::spawn_blocking(move || {
        for _ in 0..10_000 {
            notifier.notify(Topic::Outbox);
        }
    });
    timeout(RELEASE_TIMEOUT, notifying).await.unwrap().unwrap();
}
