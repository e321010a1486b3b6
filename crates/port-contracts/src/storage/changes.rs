//! The change log: what each transaction leaves in it, and that a reader misses nothing.

use std::time::Duration;

use domain::identifiers::{OrderId, ProductId};
use domain::order::{OrderState, OrderStatus};
use domain::ports::{ChangeEntry, Changed, ChangesRead, MAX_CHANGED_IDS};
use domain::position::Position;
use domain::timestamp::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{A_MOMENT, StorageUnderTest};
use crate::builders::{full, keyed_order, new_order, product};
use crate::shop::Shop;

/// Longer than transactions of others are open, which hold entries back.
const LONG: Duration = Duration::from_mins(1);

const PAGE: u32 = 100;

/// Reads one page after a position that is not gone.
async fn read(storage: &StorageUnderTest, after: Position, limit: u32) -> (Vec<ChangeEntry>, bool) {
    match storage.changes.read_changes(after, limit).await.unwrap() {
        ChangesRead::Next { entries, held_back } => (entries, held_back),
        ChangesRead::Gone => panic!("{after} is gone"),
    }
}

/// Reads until nothing is held back, and checks that positions rise.
async fn read_all(storage: &StorageUnderTest, mut after: Position) -> Vec<ChangeEntry> {
    let give_up = Instant::now() + LONG;
    let mut all = Vec::new();
    loop {
        let (entries, held_back) = read(storage, after, PAGE).await;
        let is_last = entries.is_empty() && !held_back;
        for entry in entries {
            assert!(entry.position > after, "{} after {after}", entry.position);
            after = entry.position;
            all.push(entry);
        }
        if is_last {
            return all;
        }
        assert!(Instant::now() < give_up, "entries are held back for ever");
        sleep(A_MOMENT / 20).await;
    }
}

/// Reads what is left since a position, which moves on.
async fn changes_since(storage: &StorageUnderTest, position: &mut Position) -> Vec<Changed> {
    let entries = read_all(storage, *position).await;
    if let Some(last) = entries.last() {
        *position = last.position;
    }
    entries.into_iter().map(|entry| entry.changed).collect()
}

fn changed(order_ids: &[OrderId], product_ids: &[&str]) -> Changed {
    Changed {
        order_ids: order_ids.to_vec(),
        product_ids: product_ids.iter().map(|id| product(id)).collect(),
    }
}

/// An acceptance leaves the orders that it created, in one entry, and nothing for those that were there before.
pub async fn an_acceptance_leaves_one_entry(storage: &StorageUnderTest) {
    let mut position = Position::START;
    let orders = [
        new_order("p", 1),
        keyed_order("q", 1, "k"),
        new_order("p", 1),
    ];
    let ids = storage.place_all(&orders).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&ids, &[])]);
    storage.accept(&[keyed_order("q", 1, "k")]).await;
    assert_eq!(changes_since(storage, &mut position).await, []);
    let again = storage
        .accept(&[keyed_order("q", 1, "k"), new_order("p", 1)])
        .await;
    let new = again[1].order().unwrap().id;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&[new], &[])]);
}

/// A settlement leaves all its orders, and the products of which something was sold.
pub async fn a_settlement_leaves_one_entry_of_its_orders_and_what_was_sold(
    storage: &StorageUnderTest,
) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("a", 5), ("b", 5), ("c", 5)]))
        .await;
    let orders = [
        new_order("b", 1),
        new_order("a", 2),
        new_order("b", 1),
        new_order("c", 6),
        new_order("unknown", 1),
    ];
    let ids = storage.place_all(&orders).await;
    let mut position = Position::START;
    changes_since(storage, &mut position).await;
    shop.settle(&ids).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&ids, &["a", "b"])]);
    // Of what is settled already nothing is left.
    shop.settle(&ids).await;
    assert_eq!(changes_since(storage, &mut position).await, []);

    let none = storage.place_all(&[new_order("c", 6)]).await;
    changes_since(storage, &mut position).await;
    shop.settle(&none).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&none, &[])]);
}

/// A change of status leaves its order, and with a cancellation the product that is given back; one that changes nothing
/// leaves nothing.
pub async fn a_change_of_status_leaves_one_entry(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let sold = shop.sell(storage, "p", 2).await.id;
    let shipped = shop.sell(storage, "p", 2).await.id;
    let mut position = Position::START;
    changes_since(storage, &mut position).await;
    for (id, to, products) in [
        (sold, OrderStatus::Cancelled, &["p"][..]),
        (shipped, OrderStatus::Shipped, &[]),
        (shipped, OrderStatus::Delivered, &[]),
    ] {
        shop.change(id, to).await.unwrap();
        let left = changes_since(storage, &mut position).await;
        assert_eq!(left, [changed(&[id], products)]);
        shop.change(id, to).await.unwrap();
        assert_eq!(changes_since(storage, &mut position).await, []);
    }
}

/// A report leaves the products that it changed, in one entry; one that changes nothing leaves nothing. So does a vendor
/// that is no longer configured.
pub async fn a_report_leaves_one_entry_of_its_products(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let mut position = Position::START;
    changes_since(storage, &mut position).await;
    shop.report("v", full(&[("b", 5), ("a", 5)])).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&[], &["a", "b"])]);
    shop.report("v", full(&[("b", 5), ("a", 5)])).await;
    assert_eq!(changes_since(storage, &mut position).await, []);
    shop.report("v", full(&[("b", 6), ("a", 5)])).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&[], &["b"])]);
    shop.configure(&["w"]).await;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&[], &["a", "b"])]);
}

/// However much a transaction changes, no entry is larger than entries may be, and none of it is left out.
pub async fn what_is_too_much_for_one_entry_is_left_in_several(storage: &StorageUnderTest) {
    let names: Vec<String> = (0..MAX_CHANGED_IDS * 2 + 5)
        .map(|number| format!("{number:05}"))
        .collect();
    let shop = Shop::open(storage, &["v"]).await;
    let mut position = Position::START;
    changes_since(storage, &mut position).await;
    let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 9)).collect();
    shop.report("v", full(&lines)).await;
    let left = changes_since(storage, &mut position).await;
    let sizes: Vec<usize> = left.iter().map(|it| it.product_ids.len()).collect();
    assert_eq!(sizes, [MAX_CHANGED_IDS, MAX_CHANGED_IDS, 5]);
    let products: Vec<&str> = left
        .iter()
        .flat_map(|it| it.product_ids.iter().map(ProductId::as_str))
        .collect();
    assert_eq!(products, names);

    let orders: Vec<_> = names[..=MAX_CHANGED_IDS]
        .iter()
        .map(|name| new_order(name, 1))
        .collect();
    let ids = storage.place_all(&orders).await;
    let left = changes_since(storage, &mut position).await;
    let halves = [&ids[..MAX_CHANGED_IDS], &ids[MAX_CHANGED_IDS..]];
    assert_eq!(left, halves.map(|half| changed(half, &[])));
    shop.settle(&ids).await;
    let left = changes_since(storage, &mut position).await;
    let settled: Vec<OrderId> = left.iter().flat_map(|it| it.order_ids.clone()).collect();
    let sold: usize = left.iter().map(|it| it.product_ids.len()).sum();
    assert_eq!((left.len(), settled, sold), (2, ids.clone(), ids.len()));
}

/// What is undone was no change.
pub async fn an_undone_unit_of_work_leaves_no_entry(storage: &StorageUnderTest) {
    let id = storage.place(new_order("p", 1)).await.id;
    let mut position = Position::START;
    changes_since(storage, &mut position).await;
    let mut work = storage.begin().await;
    work.accept(&[new_order("p", 1)]).await.unwrap();
    work.lock_order(id).await.unwrap();
    work.save_state(id, &OrderState::Cancelled).await.unwrap();
    drop(work);
    let next = storage.place(new_order("p", 1)).await.id;
    let left = changes_since(storage, &mut position).await;
    assert_eq!(left, [changed(&[next], &[])]);
}

/// A page has as many entries as asked for, and the next goes on after it. Who begins at the newest reads what comes then.
pub async fn entries_are_read_in_pages(storage: &StorageUnderTest) {
    for _ in 0..5 {
        storage.place(new_order("p", 1)).await;
    }
    let all = read_all(storage, Position::START).await;
    assert_eq!(all.len(), 5);
    for limit in 1..=6 {
        let mut after = Position::START;
        let mut paged = Vec::new();
        loop {
            let (page, _) = read(storage, after, limit).await;
            let Some(last) = page.last() else {
                break;
            };
            assert!(page.len() <= usize::try_from(limit).unwrap());
            after = last.position;
            paged.extend(page);
        }
        assert_eq!(paged, all);
    }
    let newest = storage.changes.newest_change().await.unwrap();
    assert_eq!(newest, all[4].position);
    assert_eq!(read_all(storage, newest).await, []);
    let id = storage.place(new_order("p", 1)).await.id;
    let next = read_all(storage, newest).await;
    assert_eq!(next[0].changed, changed(&[id], &[]));
}

/// A reader that goes on while a transaction is open sees what that one leaves when it commits, however late. A store that
/// has one transaction at a time has no such other.
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
    let (seen, held_back) = read(storage, Position::START, PAGE).await;
    assert!(held_back || seen.len() == 2);
    let after = seen.last().map_or(Position::START, |last| last.position);

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
    // Nor does one who began at the newest then.
    let since: Vec<OrderId> = read_all(storage, newest)
        .await
        .into_iter()
        .flat_map(|entry| entry.changed.order_ids)
        .collect();
    assert!(since.contains(&late_id), "{since:?}");
}

/// Of many transactions at the same time each leaves its entry, and a reader that reads along sees each once.
pub async fn concurrent_transactions_leave_one_entry_each(storage: &StorageUnderTest) {
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
    let mut position = Position::START;
    let mut seen = Vec::new();
    while seen.len() < 80 {
        seen.extend(changes_since(storage, &mut position).await);
        sleep(A_MOMENT / 50).await;
    }
    let mut placed = tasks.join_all().await.concat();
    placed.sort_unstable();
    assert!(seen.iter().all(|changed| changed.order_ids.len() == 1));
    let mut ids: Vec<OrderId> = seen.into_iter().flat_map(|it| it.order_ids).collect();
    ids.sort_unstable();
    assert_eq!(ids, placed);
    assert_eq!(changes_since(storage, &mut position).await, []);
}

/// Entries are forgotten from the beginning on, and no more than allowed. Whoever has read them all can go on, whoever has
/// not is told so.
pub async fn old_entries_are_forgotten_and_their_positions_are_gone(storage: &StorageUnderTest) {
    let forget = async |before: Timestamp, limit: u32| {
        let mut work = storage.begin().await;
        let forgotten = work.prune_changes(before, limit).await.unwrap();
        work.commit().await.unwrap();
        forgotten
    };
    for _ in 0..3 {
        storage.place(new_order("p", 1)).await;
    }
    let moment = storage.probe.store_time().await.unwrap();
    storage.place(new_order("p", 1)).await;
    let all = read_all(storage, Position::START).await;
    let positions: Vec<Position> = all.iter().map(|entry| entry.position).collect();
    let is_gone = async |position: Position| {
        let read = storage.changes.read_changes(position, PAGE).await.unwrap();
        read == ChangesRead::Gone
    };

    assert_eq!(forget(Timestamp::from_micros(0), 10).await, 0);
    assert!(!is_gone(Position::START).await);
    assert_eq!(forget(moment, 2).await, 2);
    assert!(is_gone(Position::START).await);
    assert!(is_gone(positions[0]).await);
    assert_eq!(read_all(storage, positions[1]).await, all[2..]);
    assert_eq!(forget(moment, 10).await, 1);
    assert_eq!(forget(moment, 10).await, 0);
    assert_eq!(read_all(storage, positions[2]).await, all[3..]);

    let now = storage.probe.store_time().await.unwrap();
    assert_eq!(forget(now, 10).await, 1);
    assert!(is_gone(positions[2]).await);
    assert_eq!(read_all(storage, positions[3]).await, []);
    let newest = storage.changes.newest_change().await.unwrap();
    assert_eq!(newest, positions[3]);
    storage.place(new_order("p", 1)).await;
    assert_eq!(read_all(storage, newest).await.len(), 1);
}

/// Of another store, or of one that was put back to an earlier state.
pub async fn a_position_that_was_never_given_is_gone(storage: &StorageUnderTest) {
    storage.place(new_order("p", 1)).await;
    let far = Position::new(u64::MAX, u64::MAX);
    let read = storage.changes.read_changes(far, PAGE).await.unwrap();
    assert_eq!(read, ChangesRead::Gone);
}
