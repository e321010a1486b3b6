//! Accepting orders: the order, its outbox entry and its key are written together.

use std::collections::HashSet;
use std::time::Duration;

use domain::identifiers::{MAX_ID_CHARS, MAX_IDEMPOTENCY_KEY_BYTES};
use domain::order::OrderState;
use domain::ports::{Acceptance, NewOrder, OutboxEntry};
use domain::quantity::MAX_QUANTITY;
use tokio::task::JoinSet;

use super::{StorageUnderTest, created};
use crate::builders::{batch, full, key, keyed_order, new_order, request};
use crate::use_cases::UseCases;

const LEASE: Duration = Duration::from_mins(1);

/// Accepted orders are `PENDING`, and have rising ids and outbox entries in the order of the arguments.
pub async fn accepted_orders_are_pending_with_rising_ids_and_outbox_entries(
    storage: &StorageUnderTest,
) {
    let requested = [new_order("b", 2), new_order("a", 1), new_order("b", 3)];
    let before = storage.probe.store_time().await.unwrap();
    let accepted = storage.accept(&requested).await;
    assert_eq!(accepted.len(), requested.len());
    let mut ids = Vec::new();
    for (requested, accepted) in requested.iter().zip(accepted) {
        let order = created(accepted);
        assert_eq!(order.product_id, requested.request.product_id);
        assert_eq!(order.quantity, requested.request.quantity);
        assert_eq!(order.state, OrderState::Pending);
        assert!(order.created_at > before && order.updated_at == order.created_at);
        assert_eq!(storage.order(order.id).await, order);
        ids.push(order.id);
    }
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    let later = storage.place(new_order("a", 1)).await;
    assert!(later.id > ids[2]);

    let entries = storage.claim(1, LEASE).await;
    let queued: Vec<_> = entries.iter().flat_map(OutboxEntry::order_ids).collect();
    assert_eq!(queued, ids);
    for (queued, requested) in entries[0].orders.iter().zip(&requested) {
        assert_eq!(queued.product_id, requested.request.product_id);
    }
}

/// All valid product ids, keys and quantities are read back unchanged.
pub async fn ids_keys_and_quantities_are_read_back_unchanged(storage: &StorageUnderTest) {
    let longest = "😀".repeat(MAX_ID_CHARS);
    let names = [" a ", "a'b\"c\\d", "%_;--", "ünï", longest.as_str()];
    for name in names {
        let order = storage.place(new_order(name, MAX_QUANTITY)).await;
        assert_eq!(order.product_id.as_str(), name);
        assert_eq!(order.quantity.units(), MAX_QUANTITY);
        assert_eq!(storage.order(order.id).await, order);
    }
    let longest_key = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES);
    for name in [longest_key.as_str(), "'", "\\", "K", "k"] {
        let first = storage.place(keyed_order("p", 1, name)).await;
        let again = storage.accept(&[keyed_order("p", 1, name)]).await;
        assert_eq!(again, [Acceptance::Existing(first)]);
    }
}

/// The second use of a key in one call returns the order of the first.
pub async fn a_key_used_twice_in_a_call_creates_one_order(storage: &StorageUnderTest) {
    let requested = [
        keyed_order("p", 1, "k"),
        new_order("q", 2),
        keyed_order("p", 1, "k"),
        keyed_order("p", 1, "l"),
    ];
    let mut accepted = storage.accept(&requested).await.into_iter();
    let first = created(accepted.next().unwrap());
    created(accepted.next().unwrap());
    assert_eq!(accepted.next(), Some(Acceptance::Existing(first)));
    created(accepted.next().unwrap());
    assert_eq!(storage.claim_orders(LEASE).await.len(), 3);
}

/// A later use of a key returns the order in its current state, whatever it requests.
pub async fn a_later_use_of_a_key_returns_the_current_order(storage: &StorageUnderTest) {
    let first = storage.place(keyed_order("p", 1, "k")).await;
    let use_cases = UseCases::open(storage, &[]).await;
    use_cases.cancel(first.id).await;
    let cancelled = storage.order(first.id).await;
    assert_eq!(cancelled.state, OrderState::Cancelled);
    let again = storage
        .accept(&[keyed_order("other", 7, "k"), new_order("p", 1)])
        .await;
    assert_eq!(again[0], Acceptance::Existing(cancelled));
    assert!(matches!(again[1], Acceptance::Created(_)));
    assert_eq!(storage.claim_orders(LEASE).await.len(), 2);
}

/// A key that was used before and occurs twice in one call returns the same order twice, with its allocations.
pub async fn a_known_key_used_twice_in_a_call_returns_its_order_twice(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 2)])).await;
    use_cases.report("w", full(&[("p", 2)])).await;
    let id = storage.place(keyed_order("p", 3, "k")).await.id;
    use_cases.settle(&[id]).await;
    let order = storage.order(id).await;
    assert_eq!(order.state.allocations().len(), 2);
    let again = storage
        .accept(&[keyed_order("p", 3, "k"), keyed_order("p", 3, "k")])
        .await;
    assert_eq!(again, [order.clone(), order].map(Acceptance::Existing));
}

/// The same key of another caller is a different key.
pub async fn keys_are_scoped_to_their_callers(storage: &StorageUnderTest) {
    let of = |scope: &str| NewOrder {
        request: request("p", 1),
        key: Some(key(scope, "k")),
        batch: None,
        trace: None,
    };
    let accepted = storage.accept(&[of("one"), of("two"), of("")]).await;
    let ids: HashSet<_> = accepted.into_iter().map(|it| created(it).id).collect();
    assert_eq!(ids.len(), 3);
    let again = storage.accept(&[of("two")]).await;
    assert!(matches!(&again[..], [Acceptance::Existing(order)] if ids.contains(&order.id)));
}

/// Sixteen concurrent requests with one key create one order, and all return it.
pub async fn concurrent_uses_of_a_key_create_one_order(storage: &StorageUnderTest) {
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let store = storage.store.clone();
        tasks.spawn(async move {
            let mut work = store.begin().await.unwrap();
            let accepted = work.accept(&[keyed_order("p", 1, "k")]).await.unwrap();
            work.commit().await.unwrap();
            accepted
        });
    }
    let accepted = tasks.join_all().await.concat();
    let new = accepted
        .iter()
        .filter(|it| matches!(it, Acceptance::Created(_)))
        .count();
    let ids: HashSet<_> = accepted
        .iter()
        .map(|accepted| accepted.order().unwrap().id)
        .collect();
    assert_eq!((new, ids.len()), (1, 1), "{accepted:?}");
    assert_eq!(storage.claim_orders(LEASE).await.len(), 1);
}

/// Batches that share keys in different orders do not deadlock.
pub async fn batches_that_share_keys_do_not_deadlock(storage: &StorageUnderTest) {
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = storage.store.clone();
        tasks.spawn(async move {
            for round in 0..5 {
                let mut batch: Vec<NewOrder> = (0..10)
                    .map(|name| keyed_order("p", 1, &format!("{round}-{name}")))
                    .collect();
                if task % 2 == 0 {
                    batch.reverse();
                }
                let mut work = store.begin().await.unwrap();
                work.accept(&batch).await.unwrap();
                work.commit().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(storage.claim_orders(LEASE).await.len(), 50);
}

/// A key that was used in a dropped unit of work can be used again, also by a caller that waits for it.
pub async fn a_key_of_a_rolled_back_acceptance_can_be_used_again(storage: &StorageUnderTest) {
    let mut undone = storage.begin().await;
    let accepted = undone.accept(&[keyed_order("p", 1, "k")]).await.unwrap();
    let lost = created(accepted.into_iter().next().unwrap());
    let store = storage.store.clone();
    let waiter = tokio::spawn(async move {
        let mut work = store.begin().await.unwrap();
        let accepted = work.accept(&[keyed_order("p", 2, "k")]).await.unwrap();
        work.commit().await.unwrap();
        accepted
    });
    tokio::time::sleep(super::SHORT_DELAY).await;
    drop(undone);
    let accepted = super::immediately(waiter).await.unwrap();
    let order = created(accepted.into_iter().next().unwrap());
    assert_eq!(order.quantity.units(), 2);
    assert_ne!(order.id, lost.id);
    assert_eq!(storage.orders.find_order(lost.id).await.unwrap(), None);
}

/// A batch is found by its key and by the keys derived for its items, as long as it requests the same.
pub async fn a_batch_key_matches_only_an_equal_batch(storage: &StorageUnderTest) {
    let requested = batch("k", "p+q+p", &["p", "q", "p"]);
    let accepted = storage.accept(&requested).await;
    let orders: Vec<_> = accepted.into_iter().map(created).collect();
    let found: Vec<_> = orders.iter().cloned().map(Acceptance::Existing).collect();
    assert_eq!(storage.accept(&requested).await, found);

    let other = batch("k", "p+q", &["p", "q"]);
    let results = storage.accept(&other).await;
    assert_eq!(results, [Acceptance::KeyReused, found[1].clone()]);
    assert_eq!(storage.claim_orders(LEASE).await.len(), 3);
    // Keys of other callers are different keys.
    let elsewhere = NewOrder {
        key: Some(key("other", "k")),
        ..other[0].clone()
    };
    storage.place(elsewhere).await;
}

/// The key of a batch does not find a single order, and the key of a single order does not find a batch.
pub async fn batch_keys_and_order_keys_do_not_match_each_other(storage: &StorageUnderTest) {
    storage.place(keyed_order("p", 1, "alone")).await;
    storage.accept(&batch("batch", "p", &["p"])).await;
    let requested = [
        keyed_order("p", 1, "batch"),
        batch("alone", "p", &["p"]).remove(0),
    ];
    assert_eq!(
        storage.accept(&requested).await,
        [Acceptance::KeyReused, Acceptance::KeyReused]
    );
    assert_eq!(storage.claim_orders(LEASE).await.len(), 2);
}

/// Within one call, the first batch with a key is created, an equal one returns it, and different ones are refused.
pub async fn different_batches_with_one_key_in_a_call_are_refused(storage: &StorageUnderTest) {
    let requested = [
        batch("k", "p+q", &["p", "q"]),
        batch("k", "p+q", &["p", "q"]),
        batch("k", "q", &["q"]),
        vec![keyed_order("p", 1, "k")],
    ]
    .concat();
    let accepted = storage.accept(&requested).await;
    let (created, others) = accepted.split_at(2);
    let is_created = |it: &Acceptance| matches!(it, Acceptance::Created(_));
    assert!(created.iter().all(is_created), "{created:?}");
    let mut expected: Vec<_> = created
        .iter()
        .filter_map(|it| it.order().cloned().map(Acceptance::Existing))
        .collect();
    expected.extend([Acceptance::KeyReused, Acceptance::KeyReused]);
    assert_eq!(others, expected);
    assert_eq!(storage.claim_orders(LEASE).await.len(), 2);
}
