//! The change log: the entries of each transaction, and the guarantee that a reader misses none.

use std::time::Duration;

use domain::change_offset::ChangeOffset;
use domain::identifiers::{OrderId, ProductId};
use domain::order::{OrderState, OrderStatus};
use domain::ports::{ChangeEntry, Changed, ChangesRead, MAX_CHANGED_IDS};
use domain::timestamp::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{SHORT_DELAY, StorageUnderTest};
use crate::builders::{full, keyed_order, new_order, product};
use crate::use_cases::UseCases;

/// Timeout, longer than the open transactions of others that hold entries back.
const LONG: Duration = Duration::from_mins(1);

const PAGE: u32 = 100;

/// Reads one page after an offset, which must not be pruned.
async fn read(
    storage: &StorageUnderTest,
    after: ChangeOffset,
    limit: u32,
) -> (Vec<ChangeEntry>, bool) {
    match storage.changes.read_changes(after, limit).await.unwrap() {
        ChangesRead::Next { entries, held_back } => (entries, held_back),
        ChangesRead::Gone => panic!("offset {after} is gone"),
    }
}

/// Reads until no entry is held back, and checks that offsets rise.
async fn read_all(storage: &StorageUnderTest, mut after: ChangeOffset) -> Vec<ChangeEntry> {
    let deadline = Instant::now() + LONG;
    let mut all = Vec::new();
    loop {
        let (entries, held_back) = read(storage, after, PAGE).await;
        let is_last = entries.is_empty() && !held_back;
        for entry in entries {
            assert!(entry.offset > after, "{} after {after}", entry.offset);
            after = entry.offset;
            all.push(entry);
        }
        if is_last {
            return all;
        }
        assert!(Instant::now() < deadline, "entries are still held back");
        sleep(SHORT_DELAY / 20).await;
    }
}

/// Reads the changes after an offset, and advances it.
async fn changes_since(storage: &StorageUnderTest, offset: &mut ChangeOffset) -> Vec<Changed> {
    let entries = read_all(storage, *offset).await;
    if let Some(last) = entries.last() {
        *offset = last.offset;
    }
    entries.into_iter().map(|entry| entry.changed).collect()
}

fn changed(order_ids: &[OrderId], product_ids: &[&str]) -> Changed {
    Changed {
        order_ids: order_ids.to_vec(),
        product_ids: product_ids.iter().map(|id| product(id)).collect(),
    }
}

/// Accepting writes one entry with the created orders, and none for orders that existed before.
pub async fn accepting_writes_one_change_log_entry(storage: &StorageUnderTest) {
    let mut offset = ChangeOffset::START;
    let orders = [
        new_order("p", 1),
        keyed_order("q", 1, "k"),
        new_order("p", 1),
    ];
    let ids = storage.place_all(&orders).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&ids, &[])]);
    storage.accept(&[keyed_order("q", 1, "k")]).await;
    assert_eq!(changes_since(storage, &mut offset).await, []);
    let again = storage
        .accept(&[keyed_order("q", 1, "k"), new_order("p", 1)])
        .await;
    let new = again[1].order().unwrap().id;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&[new], &[])]);
}

/// A settlement writes one entry with all its orders, and the products of which units were sold.
pub async fn a_settlement_writes_one_entry_of_its_orders_and_sold_products(
    storage: &StorageUnderTest,
) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases
        .report("v", full(&[("a", 5), ("b", 5), ("c", 5)]))
        .await;
    let orders = [
        new_order("b", 1),
        new_order("a", 2),
        new_order("b", 1),
        new_order("c", 6),
        new_order("unknown", 1),
    ];
    let ids = storage.place_all(&orders).await;
    let mut offset = ChangeOffset::START;
    changes_since(storage, &mut offset).await;
    use_cases.settle(&ids).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&ids, &["a", "b"])]);
    // Orders that are already settled leave no entry.
    use_cases.settle(&ids).await;
    assert_eq!(changes_since(storage, &mut offset).await, []);

    let none = storage.place_all(&[new_order("c", 6)]).await;
    changes_since(storage, &mut offset).await;
    use_cases.settle(&none).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&none, &[])]);
}

/// A status change writes one entry with its order, and, for a cancellation, the product whose stock is released. A change
/// to the current status writes none.
pub async fn a_status_change_writes_one_entry(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let sold = use_cases.sell(storage, "p", 2).await.id;
    let shipped = use_cases.sell(storage, "p", 2).await.id;
    let mut offset = ChangeOffset::START;
    changes_since(storage, &mut offset).await;
    for (id, to, products) in [
        (sold, OrderStatus::Cancelled, &["p"][..]),
        (shipped, OrderStatus::Shipped, &[]),
        (shipped, OrderStatus::Delivered, &[]),
    ] {
        use_cases.change(id, to).await.unwrap();
        let written = changes_since(storage, &mut offset).await;
        assert_eq!(written, [changed(&[id], products)]);
        use_cases.change(id, to).await.unwrap();
        assert_eq!(changes_since(storage, &mut offset).await, []);
    }
}

/// A report writes one entry with the products that it changed, and none if it changed nothing. Switching a vendor off does
/// the same.
pub async fn a_report_writes_one_entry_of_its_products(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let mut offset = ChangeOffset::START;
    changes_since(storage, &mut offset).await;
    use_cases.report("v", full(&[("b", 5), ("a", 5)])).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&[], &["a", "b"])]);
    use_cases.report("v", full(&[("b", 5), ("a", 5)])).await;
    assert_eq!(changes_since(storage, &mut offset).await, []);
    use_cases.report("v", full(&[("b", 6), ("a", 5)])).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&[], &["b"])]);
    use_cases.configure(&["w"]).await;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&[], &["a", "b"])]);
}

/// A transaction with more changes than fit into one entry writes several, and none is left out.
pub async fn a_large_transaction_writes_several_entries(storage: &StorageUnderTest) {
    let names: Vec<String> = (0..MAX_CHANGED_IDS * 2 + 5)
        .map(|number| format!("{number:05}"))
        .collect();
    let use_cases = UseCases::open(storage, &["v"]).await;
    let mut offset = ChangeOffset::START;
    changes_since(storage, &mut offset).await;
    let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 9)).collect();
    use_cases.report("v", full(&lines)).await;
    let written = changes_since(storage, &mut offset).await;
    let sizes: Vec<usize> = written.iter().map(|it| it.product_ids.len()).collect();
    assert_eq!(sizes, [MAX_CHANGED_IDS, MAX_CHANGED_IDS, 5]);
    let products: Vec<&str> = written
        .iter()
        .flat_map(|it| it.product_ids.iter().map(ProductId::as_str))
        .collect();
    assert_eq!(products, names);

    let orders: Vec<_> = names[..=MAX_CHANGED_IDS]
        .iter()
        .map(|name| new_order(name, 1))
        .collect();
    let ids = storage.place_all(&orders).await;
    let written = changes_since(storage, &mut offset).await;
    let halves = [&ids[..MAX_CHANGED_IDS], &ids[MAX_CHANGED_IDS..]];
    assert_eq!(written, halves.map(|half| changed(half, &[])));
    use_cases.settle(&ids).await;
    let written = changes_since(storage, &mut offset).await;
    let settled: Vec<OrderId> = written.iter().flat_map(|it| it.order_ids.clone()).collect();
    let sold: usize = written.iter().map(|it| it.product_ids.len()).sum();
    assert_eq!((written.len(), settled, sold), (2, ids.clone(), ids.len()));
}

/// A unit of work that is rolled back writes no entry.
pub async fn a_rolled_back_unit_of_work_writes_no_entry(storage: &StorageUnderTest) {
    let id = storage.place(new_order("p", 1)).await.id;
    let mut offset = ChangeOffset::START;
    changes_since(storage, &mut offset).await;
    let mut work = storage.begin().await;
    work.accept(&[new_order("p", 1)]).await.unwrap();
    work.lock_order(id).await.unwrap();
    work.save_state(id, &OrderState::Cancelled).await.unwrap();
    drop(work);
    let next = storage.place(new_order("p", 1)).await.id;
    let written = changes_since(storage, &mut offset).await;
    assert_eq!(written, [changed(&[next], &[])]);
}

/// A page has at most the requested number of entries, and the next one continues after it. A reader that starts at the
/// newest offset reads only later entries.
pub async fn entries_are_read_in_pages(storage: &StorageUnderTest) {
    for _ in 0..5 {
        storage.place(new_order("p", 1)).await;
    }
    let all = read_all(storage, ChangeOffset::START).await;
    assert_eq!(all.len(), 5);
    for limit in 1..=6 {
        let mut after = ChangeOffset::START;
        let mut paged = Vec::new();
        loop {
            let (page, _) = read(storage, after, limit).await;
            let Some(last) = page.last() else {
                break;
            };
            assert!(page.len() <= usize::try_from(limit).unwrap());
            after = last.offset;
            paged.extend(page);
        }
        assert_eq!(paged, all);
    }
    let newest = storage.changes.newest_change().await.unwrap();
    assert_eq!(newest, all[4].offset);
    assert_eq!(read_all(storage, newest).await, []);
    let id = storage.place(new_order("p", 1)).await.id;
    let next = read_all(storage, newest).await;
    assert_eq!(next[0].changed, changed(&[id], &[]));
}

/// A reader that continues while a transaction is open sees the entry of that transaction after its commit, however late. A
/// store with one transaction at a time has no such case.
pub async fn a_transaction_that_commits_late_is_not_skipped(storage: &StorageUnderTest) {
    if storage.pool_size == 1 {
        return;
    }
    let mut late = storage.begin().await;
    let accepted = late.accept(&[new_order("late", 1)]).await.unwrap();
    let late_id = accepted[0].created().unwrap().id;
    let mut other = storage.begin().await;
    let accepted = other.accept(&[new_order("other", 1)]).await.unwrap();
    let other_id = accepted[0].created().unwrap().id;
    let early = storage.place_all(&[new_order("early", 1)]).await;
    other.commit().await.unwrap();
    let newest = storage.changes.newest_change().await.unwrap();
    let (seen, held_back) = read(storage, ChangeOffset::START, PAGE).await;
    assert!(held_back || seen.len() == 2);
    let after = seen.last().map_or(ChangeOffset::START, |last| last.offset);

    late.commit().await.unwrap();
    let rest = read_all(storage, after).await;
    let mut ids: Vec<OrderId> = seen
        .iter()
        .chain(&rest)
        .flat_map(|entry| entry.changed.order_ids.clone())
        .collect();
    ids.sort_unstable();
    let mut expected = vec![late_id, other_id, early[0]];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    // The same holds for a reader that started at the newest offset then.
    let since: Vec<OrderId> = read_all(storage, newest)
        .await
        .into_iter()
        .flat_map(|entry| entry.changed.order_ids)
        .collect();
    assert!(since.contains(&late_id), "{since:?}");
}

/// Each of many concurrent transactions writes its entry, and a concurrent reader sees each once.
pub async fn concurrent_transactions_write_one_entry_each(storage: &StorageUnderTest) {
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = storage.store.clone();
        tasks.spawn(async move {
            let mut placed = Vec::new();
            for round in 0..10 {
                let mut work = store.begin().await.unwrap();
                let accepted = work.accept(&[new_order("p", 1)]).await.unwrap();
                if (task + round) % 3 == 0 {
                    sleep(Duration::from_millis(round)).await;
                }
                work.commit().await.unwrap();
                placed.push(accepted[0].created().unwrap().id);
            }
            placed
        });
    }
    let mut offset = ChangeOffset::START;
    let mut seen = Vec::new();
    while seen.len() < 80 {
        seen.extend(changes_since(storage, &mut offset).await);
        sleep(SHORT_DELAY / 50).await;
    }
    let mut placed = tasks.join_all().await.concat();
    placed.sort_unstable();
    assert!(seen.iter().all(|changed| changed.order_ids.len() == 1));
    let mut ids: Vec<OrderId> = seen.into_iter().flat_map(|it| it.order_ids).collect();
    ids.sort_unstable();
    assert_eq!(ids, placed);
    assert_eq!(changes_since(storage, &mut offset).await, []);
}

/// Pruning removes the oldest entries, at most the given number. A reader that has read all pruned entries can continue; for
/// any other reader the offset is gone.
pub async fn old_entries_are_pruned_and_their_offsets_are_gone(storage: &StorageUnderTest) {
    let prune = async |before: Timestamp, limit: u32| {
        let mut work = storage.begin().await;
        let pruned = work.prune_changes(before, limit).await.unwrap();
        work.commit().await.unwrap();
        pruned
    };
    for _ in 0..3 {
        storage.place(new_order("p", 1)).await;
    }
    let timestamp = storage.probe.store_time().await.unwrap();
    storage.place(new_order("p", 1)).await;
    let all = read_all(storage, ChangeOffset::START).await;
    let offsets: Vec<ChangeOffset> = all.iter().map(|entry| entry.offset).collect();
    let is_gone = async |offset: ChangeOffset| {
        let read = storage.changes.read_changes(offset, PAGE).await.unwrap();
        read == ChangesRead::Gone
    };

    assert_eq!(prune(Timestamp::from_micros(0), 10).await, 0);
    assert!(!is_gone(ChangeOffset::START).await);
    assert_eq!(prune(timestamp, 2).await, 2);
    assert!(is_gone(ChangeOffset::START).await);
    assert!(is_gone(offsets[0]).await);
    assert_eq!(read_all(storage, offsets[1]).await, all[2..]);
    assert_eq!(prune(timestamp, 10).await, 1);
    assert_eq!(prune(timestamp, 10).await, 0);
    assert_eq!(read_all(storage, offsets[2]).await, all[3..]);

    let now = storage.probe.store_time().await.unwrap();
    assert_eq!(prune(now, 10).await, 1);
    assert!(is_gone(offsets[2]).await);
    assert_eq!(read_all(storage, offsets[3]).await, []);
    let newest = storage.changes.newest_change().await.unwrap();
    assert_eq!(newest, offsets[3]);
    storage.place(new_order("p", 1)).await;
    assert_eq!(read_all(storage, newest).await.len(), 1);
}

/// The offset belongs to another store, or to one that was restored to an earlier state.
pub async fn an_unknown_offset_is_gone(storage: &StorageUnderTest) {
    storage.place(new_order("p", 1)).await;
    let far = ChangeOffset::new(u64::MAX, u64::MAX);
    let read = storage.changes.read_changes(far, PAGE).await.unwrap();
    assert_eq!(read, ChangesRead::Gone);
}
