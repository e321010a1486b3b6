//! The order of the calls within one transaction, and the races between them, over scripted units of work.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::allocation::most_available_first;
use crate::identifiers::{ProductId, VendorId};
use crate::order::{OrderRequest, RejectReason};
use crate::ports::{FirstSyncs, LockedStock, MockUnitOfWork, UntriedVendors};
use crate::quantity::Quantity;
use crate::services::scripted::{clock, store};
use crate::settlement::{Outcome, PendingOrder, SettledOrder};
use crate::stock::{ProductStock, VendorStock};

const GRACE: Duration = Duration::from_secs(30);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn product(id: &str) -> ProductId {
    ProductId::parse(id).unwrap()
}

fn order(id: i64, product_id: &str) -> PendingOrder {
    PendingOrder {
        id: OrderId(id),
        request: OrderRequest {
            product_id: product(product_id),
            quantity: Quantity::parse(1).unwrap(),
        },
    }
}

fn in_stock(product_id: &str) -> ProductStock {
    ProductStock {
        product_id: product(product_id),
        vendors: vec![VendorStock {
            vendor_id: VendorId::parse("v").unwrap(),
            reported: 5,
            in_flight: 0,
            as_of: at(0),
            configured: true,
            is_expired: false,
        }],
    }
}

fn locked(product_ids: &[&str]) -> LockedStock {
    LockedStock {
        locked: product_ids.iter().map(|id| in_stock(id)).collect(),
        held: Vec::new(),
    }
}

fn held(product_ids: &[&str]) -> LockedStock {
    LockedStock {
        locked: Vec::new(),
        held: product_ids.iter().map(|id| product(id)).collect(),
    }
}

fn all_tried() -> FirstSyncs {
    FirstSyncs {
        now: at(0),
        untried: None,
    }
}

/// A vendor that was configured long ago was never tried.
fn one_untried(now: Timestamp) -> FirstSyncs {
    let configured_at = at(-3_600);
    FirstSyncs {
        now,
        untried: Some(UntriedVendors { configured_at }),
    }
}

/// Results of the calls of one transaction. A call without a result fails the test.
#[derive(Default)]
struct Script {
    store_time: Option<Timestamp>,
    pending: Vec<PendingOrder>,
    stock: Vec<LockedStock>,
    /// Result of `lock_stock`, for a transaction that waits for locks.
    awaited_stock: Option<Vec<ProductStock>>,
    first_syncs: Option<FirstSyncs>,
}

/// Writes of all transactions.
#[derive(Default)]
struct Written {
    settled: Vec<SettledOrder>,
    sold: Vec<ProductId>,
    postponed: Vec<OrderId>,
    commits: usize,
}

impl Written {
    fn reasons(&self) -> Vec<(i64, Option<RejectReason>)> {
        let reason = |order: &SettledOrder| match order.outcome {
            Outcome::Confirmed(_) => None,
            Outcome::Rejected(reason) => Some(reason),
        };
        let settled = self.settled.iter();
        settled.map(|order| (order.id.0, reason(order))).collect()
    }
}

fn transaction(script: Script, written: &Arc<Mutex<Written>>) -> MockUnitOfWork {
    let Script {
        store_time,
        pending,
        stock,
        awaited_stock,
        first_syncs,
    } = script;
    let mut work = MockUnitOfWork::new();
    work.expect_store_time()
        .times(usize::from(store_time.is_some()))
        .returning(move || Ok(store_time.unwrap()));
    if awaited_stock.is_some() {
        work.expect_limit_lock_waits().once().returning(|_| Ok(()));
        work.expect_lock_pending().return_once(|_| Ok(pending));
    } else {
        work.expect_try_lock_pending().return_once(|_| Ok(pending));
    }
    work.expect_lock_stock()
        .times(usize::from(awaited_stock.is_some()))
        .returning(move |_| Ok(awaited_stock.clone().unwrap()));
    let mut stock = VecDeque::from(stock);
    work.expect_try_lock_stock()
        .times(stock.len())
        .returning(move |_| Ok(stock.pop_front().unwrap()));
    work.expect_first_syncs()
        .times(usize::from(first_syncs.is_some()))
        .returning(move || Ok(first_syncs.unwrap()));
    let seen = Arc::clone(written);
    work.expect_postpone().returning(move |ids, _| {
        seen.lock().unwrap().postponed.extend(ids);
        Ok(ids.to_vec())
    });
    let seen = Arc::clone(written);
    work.expect_save_settled().returning(move |orders| {
        seen.lock().unwrap().settled.extend_from_slice(orders);
        Ok(())
    });
    let seen = Arc::clone(written);
    work.expect_save_stock().returning(move |changes| {
        let sold = changes.iter().map(|change| change.product_id.clone());
        seen.lock().unwrap().sold.extend(sold);
        Ok(())
    });
    let seen = Arc::clone(written);
    work.expect_commit().returning(move || {
        seen.lock().unwrap().commits += 1;
        Ok(())
    });
    work
}

/// Settles batches over these transactions, and returns the writes.
async fn settle_all(scripts: impl IntoIterator<Item = Script>, batches: &[&[i64]]) -> Written {
    let written = Arc::new(Mutex::new(Written::default()));
    let works = scripts.into_iter().map(|it| transaction(it, &written));
    let settlement = SettleOrders::new(store(works.collect()), clock(), most_available_first)
        .with_first_sync_grace(GRACE);
    for batch in batches {
        let order_ids: Vec<OrderId> = batch.iter().copied().map(OrderId).collect();
        settlement.settle(&order_ids).await.unwrap();
    }
    std::mem::take(&mut *written.lock().unwrap())
}

#[tokio::test]
async fn batch_without_a_rejection_does_not_read_first_syncs() {
    let batch = |id, store_time| Script {
        store_time,
        pending: vec![order(id, "p")],
        stock: vec![locked(&["p"])],
        ..Script::default()
    };
    let written = settle_all([batch(1, Some(at(0))), batch(2, None)], &[&[1], &[2]]).await;
    assert_eq!(written.reasons(), [(1, None), (2, None)]);
}

#[tokio::test]
async fn product_created_by_a_first_report_after_stock_was_locked_is_sold() {
    let script = Script {
        store_time: Some(at(0)),
        pending: vec![order(1, "a"), order(2, "q"), order(3, "b"), order(4, "a")],
        stock: vec![locked(&["q"]), locked(&["a"])],
        first_syncs: Some(all_tried()),
        ..Script::default()
    };
    let written = settle_all([script], &[&[1, 2, 3, 4]]).await;
    let unknown = Some(RejectReason::UnknownProduct);
    assert_eq!(
        written.reasons(),
        [(1, None), (2, None), (3, unknown), (4, None)]
    );
    assert_eq!(written.sold, ["a", "q"].map(product));
    assert_eq!((written.commits, written.postponed.len()), (1, 0));
}

#[tokio::test]
async fn orders_of_a_created_and_held_product_are_held() {
    let first = Script {
        store_time: Some(at(0)),
        pending: vec![order(1, "a"), order(2, "q")],
        stock: vec![locked(&["q"]), held(&["a"])],
        first_syncs: Some(all_tried()),
        ..Script::default()
    };
    let second = Script {
        pending: vec![order(1, "a")],
        awaited_stock: Some(vec![in_stock("a")]),
        ..Script::default()
    };
    let written = settle_all([first, second], &[&[1, 2]]).await;
    assert_eq!(written.reasons(), [(2, None), (1, None)]);
}

/// With waiting for locks: the order stays in the batch, and is settled once the product is free.
#[tokio::test]
async fn order_of_a_product_created_during_a_lock_wait_is_settled() {
    let first = Script {
        store_time: Some(at(0)),
        pending: vec![order(2, "q")],
        stock: vec![locked(&["q"])],
        ..Script::default()
    };
    let second = Script {
        pending: vec![order(1, "a")],
        awaited_stock: Some(Vec::new()),
        stock: vec![held(&["a"])],
        first_syncs: Some(all_tried()),
        ..Script::default()
    };
    let third = Script {
        pending: vec![order(1, "a")],
        stock: vec![locked(&["a"])],
        ..Script::default()
    };
    let written = settle_all([first, second, third], &[&[1, 2]]).await;
    assert_eq!(written.reasons(), [(2, None), (1, None)]);
}

#[tokio::test]
async fn rejections_are_delayed_while_a_vendor_is_untried() {
    let script = Script {
        store_time: Some(at(0)),
        pending: vec![order(1, "a"), order(2, "q")],
        stock: vec![locked(&["q"])],
        first_syncs: Some(one_untried(at(0))),
        ..Script::default()
    };
    let written = settle_all([script], &[&[1, 2]]).await;
    assert_eq!(written.reasons(), [(2, None)]);
    assert_eq!(
        (written.commits, &written.postponed[..]),
        (1, &[OrderId(1)][..])
    );
}

#[tokio::test]
async fn grace_begins_with_the_first_batch() {
    let first = Script {
        store_time: Some(at(0)),
        pending: vec![order(1, "q")],
        stock: vec![locked(&["q"])],
        ..Script::default()
    };
    let second = Script {
        pending: vec![order(2, "a")],
        stock: vec![LockedStock::default(), LockedStock::default()],
        first_syncs: Some(one_untried(at(0).plus(GRACE))),
        ..Script::default()
    };
    let written = settle_all([first, second], &[&[1], &[2]]).await;
    let unknown = Some(RejectReason::UnknownProduct);
    assert_eq!(written.reasons(), [(1, None), (2, unknown)]);
    assert!(written.postponed.is_empty());
}
