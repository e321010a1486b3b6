//! Leases, and notifications of what there is news of.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Listener, Topic};
use tokio::time::{Instant, sleep, timeout};

use super::{A_MOMENT, StorageUnderTest, at_once};

/// Longer than a notification takes, and than a listener takes to connect.
const LONG: Duration = Duration::from_secs(20);

/// How long a lease may take to be free after it was dropped.
const SOON: Duration = Duration::from_secs(2);

const QUIET: Duration = Duration::from_millis(300);

/// A lease has one holder, who is not waited for, and is free once that one drops it. Others are not concerned.
pub async fn a_lease_has_one_holder(storage: &StorageUnderTest) {
    let acquire = async |name: &str| {
        let acquired = at_once(storage.leases.try_acquire(name)).await;
        acquired.unwrap()
    };
    let mut held = acquire("sweeper").await.unwrap();
    assert!(held.is_held().await);
    assert!(acquire("sweeper").await.is_none());
    assert!(acquire("sweeper").await.is_none());
    let mut other = acquire("vendor vendor-a").await.unwrap();
    assert!(held.is_held().await && other.is_held().await);

    drop(held);
    let give_up = Instant::now() + SOON;
    let mut next = loop {
        if let Some(lease) = acquire("sweeper").await {
            break lease;
        }
        assert!(Instant::now() < give_up, "a dropped lease stays taken");
        sleep(A_MOMENT / 5).await;
    };
    assert!(next.is_held().await && other.is_held().await);
    assert!(acquire("sweeper").await.is_none());
}

/// Of many who try at the same time one gets the lease.
pub async fn of_many_one_gets_the_lease(storage: &StorageUnderTest) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let leases = Arc::clone(&storage.leases);
        tasks.spawn(async move { leases.try_acquire("one").await.unwrap() });
    }
    let leases = tasks.join_all().await;
    assert_eq!(leases.iter().flatten().count(), 1);
}

/// A holder whose runtime ends has not given its lease back, and loses it all the same.
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
    let give_up = Instant::now() + SOON;
    while storage.leases.try_acquire("one").await.unwrap().is_none() {
        assert!(
            Instant::now() < give_up,
            "the lease of the dead stays taken"
        );
        sleep(A_MOMENT / 5).await;
    }
}

/// Waits until the listener is connected and has heard everything that there was.
async fn settle(storage: &StorageUnderTest, listener: &mut dyn Listener) {
    let give_up = Instant::now() + LONG;
    while waited(listener, QUIET).await >= QUIET {
        assert!(Instant::now() < give_up, "no notification was heard");
        storage.notifier.notify(Topic::Outbox);
    }
    while waited(listener, QUIET).await < QUIET {
        assert!(Instant::now() < give_up, "the listener is never quiet");
    }
}

async fn waited(listener: &mut dyn Listener, limit: Duration) -> Duration {
    let start = Instant::now();
    listener.wait(limit).await;
    start.elapsed()
}

/// A wait ends at its time when nothing is notified.
pub async fn a_wait_without_a_notification_times_out(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    settle(storage, listener.as_mut()).await;
    let waited = waited(listener.as_mut(), A_MOMENT).await;
    assert!(waited >= A_MOMENT && waited < A_MOMENT * 20, "{waited:?}");
}

/// A notification ends a wait that is under way.
pub async fn a_notification_ends_the_wait(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    settle(storage, listener.as_mut()).await;
    let notifier = Arc::clone(&storage.notifier);
    let later = tokio::spawn(async move {
        sleep(A_MOMENT).await;
        notifier.notify(Topic::Outbox);
    });
    let waited = waited(listener.as_mut(), LONG).await;
    later.await.unwrap();
    assert!(waited >= A_MOMENT / 2 && waited < SOON, "{waited:?}");
}

/// A notification that comes while nobody waits ends the next wait, and many of them end few.
pub async fn a_notification_before_the_wait_is_not_lost(storage: &StorageUnderTest) {
    let mut listener = (storage.listeners)(Topic::Outbox);
    settle(storage, listener.as_mut()).await;
    storage.notifier.notify(Topic::Outbox);
    sleep(QUIET).await;
    let heard = waited(listener.as_mut(), LONG).await;
    assert!(heard < SOON, "{heard:?}");

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

/// Listeners hear of their topic alone, each listener of one topic hears of it, and all news is told when it comes at once.
pub async fn topics_are_told_apart(storage: &StorageUnderTest) {
    let mut outbox = (storage.listeners)(Topic::Outbox);
    let mut changes = [(); 2].map(|()| (storage.listeners)(Topic::Changes));
    settle(storage, outbox.as_mut()).await;
    for listener in &mut changes {
        let give_up = Instant::now() + LONG;
        while waited(listener.as_mut(), QUIET).await >= QUIET {
            assert!(Instant::now() < give_up, "no notification was heard");
            storage.notifier.notify(Topic::Changes);
        }
    }
    for listener in &mut changes {
        while waited(listener.as_mut(), QUIET).await < QUIET {}
    }
    assert!(waited(outbox.as_mut(), QUIET).await >= QUIET);

    storage.notifier.notify(Topic::Changes);
    storage.notifier.notify(Topic::Outbox);
    assert!(waited(outbox.as_mut(), LONG).await < SOON);
    for listener in &mut changes {
        assert!(waited(listener.as_mut(), LONG).await < SOON);
    }
}

/// A notification returns at once, however many there are.
pub async fn notifying_does_not_wait(storage: &StorageUnderTest) {
    let notifier = Arc::clone(&storage.notifier);
    let notifying = tokio::task::spawn_blocking(move || {
        for _ in 0..10_000 {
            notifier.notify(Topic::Outbox);
        }
    });
    timeout(SOON, notifying).await.unwrap().unwrap();
}
