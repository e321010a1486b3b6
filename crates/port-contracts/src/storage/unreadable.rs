//! Unreadable rows: each is isolated, and all other rows are processed.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use domain::ports::{ChangesRead, OrderFilter, StoreError, SyncOutcome};

use super::StorageUnderTest;
use super::damage::Damage;
use crate::builders::{full, new_order, vendor};
use crate::use_cases::UseCases;

const LONG: Duration = Duration::from_hours(1);

/// An unreadable outbox entry is removed from the outbox, its order is requeued, and the other entries are claimed.
pub async fn an_unreadable_outbox_entry_does_not_block_the_others(storage: &StorageUnderTest) {
    let first = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    if !(storage.damage)(Damage::UnreadableEntry(first)).await {
        return;
    }
    let later = [
        storage.place(new_order("q", 1)).await.id,
        storage.place(new_order("r", 1)).await.id,
    ];
    let before = storage.probe.unreadable_rows();
    let mut claimed = storage.claim_orders(LONG).await;
    assert_eq!(claimed[..2], later);
    claimed.extend(storage.claim_orders(LONG).await);
    claimed.sort_unstable();
    assert_eq!(claimed, [first, later[0], later[1]]);
    assert_eq!(storage.probe.unreadable_rows(), before + 1);
    assert_eq!(storage.claim(10, LONG).await, []);
}

/// An unreadable order is not requeued repeatedly: its entry is removed from the outbox.
pub async fn an_unreadable_order_leaves_the_outbox(storage: &StorageUnderTest) {
    let bad = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    if !(storage.damage)(Damage::UnreadableOrder(bad)).await {
        return;
    }
    (storage.damage)(Damage::UnreadableEntry(bad)).await;
    for _ in 0..3 {
        assert_eq!(storage.claim(10, LONG).await, []);
    }
    assert_eq!(storage.probe.count_outbox(1).await.unwrap(), 0);
}

/// An unreadable entry of the change log is skipped, and later entries are read.
pub async fn an_unreadable_change_is_skipped(storage: &StorageUnderTest) {
    let begin = storage.changes.newest_change().await.unwrap();
    let before = storage.place(new_order("p", 1)).await.id;
    if !(storage.damage)(Damage::UnreadableChange).await {
        return;
    }
    let after = storage.place(new_order("p", 1)).await.id;
    let mut found: Vec<OrderId> = Vec::new();
    let mut offset = begin;
    // One entry at a time, so that one page holds only the unreadable entry.
    for _ in 0..100 {
        let read = storage.changes.read_changes(offset, 1).await.unwrap();
        let ChangesRead::Next { entries, .. } = read else {
            panic!("the offset is gone");
        };
        for entry in entries {
            offset = entry.offset;
            found.extend(entry.changed.order_ids);
        }
        if found.len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found, [before, after]);
}

/// An unreadable order is left out of lists, whose pages are still full; reading that order is an error.
pub async fn an_unreadable_order_is_left_out_of_lists(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 100)])).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(use_cases.sell(storage, "p", 1).await.id);
    }
    if !(storage.damage)(Damage::UnreadableOrder(ids[3])).await {
        return;
    }
    let good = [ids[5], ids[4], ids[2], ids[1], ids[0]];
    let by_status = OrderFilter {
        status: Some(OrderStatus::Confirmed),
        product_id: None,
    };
    for filter in [OrderFilter::default(), by_status] {
        let page = storage.orders.list_orders(&filter, None, 4).await.unwrap();
        let page: Vec<OrderId> = page.iter().map(|order| order.id).collect();
        assert_eq!(page, good[..4]);
        let rest = storage.orders.list_orders(&filter, Some(ids[1]), 4).await;
        assert_eq!(rest.unwrap().len(), 1);
    }
    for found in [
        storage.orders.find_orders(&ids).await.unwrap(),
        storage.orders.find_settled(&ids).await.unwrap(),
    ] {
        let found: Vec<OrderId> = found.iter().map(|order| order.id).collect();
        assert_eq!(found, good);
    }
    let error = storage.orders.find_order(ids[3]).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Corrupt {
            table: "orders",
            ..
        }
    ));
    assert!(storage.probe.unreadable_rows() >= 4);
}

/// An unreadable stock row is left out of the comparison with a report, and the other products are synced.
pub async fn an_unreadable_stock_row_does_not_block_a_report(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 1), ("q", 1)])).await;
    if !(storage.damage)(Damage::UnreadableStock).await {
        return;
    }
    let before = storage.probe.unreadable_rows();
    let done = use_cases.report("v", full(&[("p", 2), ("r", 3)])).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 3));
    for (product_id, units) in [("p", 2), ("q", 0), ("r", 3)] {
        assert_eq!(storage.sellable(product_id).await, units);
    }
    assert!(storage.probe.unreadable_rows() > before);
}

/// An outcome that a later version recorded does not hide the vendor.
pub async fn an_unknown_outcome_does_not_hide_the_vendor(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 1)])).await;
    if !(storage.damage)(Damage::UnknownOutcome("v")).await {
        return;
    }
    let found = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let last = found[0].last_sync.clone().unwrap();
    assert_eq!(last.outcome, SyncOutcome::Applied);
    let runs = storage.runs.list_runs(&vendor("v"), None, 9).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].outcome, SyncOutcome::Applied);
}
