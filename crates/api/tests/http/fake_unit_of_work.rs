//! Units of work over the fake store. They write immediately. Dropping one without a commit removes the orders that it
//! accepted; rollback of other writes is tested by the port contracts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::identifiers::VendorId;
use domain::order::{Order, OrderState};
use domain::ports::{
    Acceptance, FinishedSync, LockedVendor, MockUnitOfWork, NewOrder, OperatorPause, Run, RunId,
};
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;

use crate::fake_store::{FakeStore, Keys, Rows};

/// As-of of the last applied report.
pub(crate) const LAST_AS_OF: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Restores the orders and keys from before `accept`, unless committed.
struct Rollback {
    rows: Arc<Mutex<Rows>>,
    before: Mutex<Option<(Vec<Order>, Keys)>>,
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if let Some((orders, keys)) = self.before.lock().unwrap().take() {
            let mut rows = self.rows.lock().unwrap();
            rows.orders = orders;
            rows.keys = keys;
        }
    }
}

pub(crate) fn unit_of_work(store: &FakeStore) -> MockUnitOfWork {
    let mut work = MockUnitOfWork::new();
    let rollback = Arc::new(Rollback {
        rows: Arc::clone(&store.0),
        before: Mutex::default(),
    });
    let accepting = Arc::clone(&rollback);
    work.expect_accept().returning(move |orders| {
        let mut rows = accepting.rows.lock().unwrap();
        let before = (rows.orders.clone(), rows.keys.clone());
        *accepting.before.lock().unwrap() = Some(before);
        Ok(orders
            .iter()
            .map(|order| accept(&mut rows, order))
            .collect())
    });
    let rows = Arc::clone(&store.0);
    work.expect_lock_order().returning(move |id| {
        let rows = rows.lock().unwrap();
        Ok(rows.orders.iter().find(|order| order.id == id).cloned())
    });
    let rows = Arc::clone(&store.0);
    work.expect_save_state().returning(move |id, state| {
        let mut rows = rows.lock().unwrap();
        let now = rows.now();
        let order = rows.orders.iter_mut().find(|order| order.id == id).unwrap();
        order.state = state.clone();
        order.updated_at = now;
        Ok(order.clone())
    });
    work.expect_limit_lock_waits().returning(|_| Ok(()));
    let rows = Arc::clone(&store.0);
    work.expect_store_time()
        .returning(move || Ok(rows.lock().unwrap().now()));
    work.expect_find_by_expiry()
        .returning(|_, _, _, _| Ok(Vec::new()));
    work.expect_lock_stock().returning(|ids| {
        let vendor_stock = VendorStock {
            vendor_id: VendorId::parse("vendor-a").unwrap(),
            reported: 100,
            in_flight: 100,
            as_of: Timestamp::from_micros(0),
            configured: true,
            is_expired: false,
        };
        let stock = ids.iter().map(|id| ProductStock {
            product_id: id.clone(),
            vendors: vec![vendor_stock.clone()],
        });
        Ok(stock.collect())
    });
    work.expect_save_stock().returning(|_| Ok(()));
    let rows = Arc::clone(&store.0);
    work.expect_lock_vendor().returning(move |id| {
        let rows = rows.lock().unwrap();
        let is_known = rows.vendors.contains_key(id);
        Ok(is_known.then(|| LockedVendor {
            history: rows.history.clone(),
            configured_at: None,
        }))
    });
    keep_quarantined_lines(&mut work, store);
    work.expect_create_products().returning(|_| Ok(()));
    work.expect_find_reported_stock()
        .returning(|_, _| Ok(Vec::new()));
    work.expect_mark_included()
        .returning(|_, _, _| Ok(BTreeMap::new()));
    work.expect_end_first_sync().returning(|_| Ok(0));
    expect_records(&mut work, store);
    expect_pauses(&mut work, store);
    let committed = store.clone();
    work.expect_commit().returning(move || {
        rollback.before.lock().unwrap().take();
        committed.commit_outcome()
    });
    work
}

/// Adds the methods that record syncs.
fn expect_records(work: &mut MockUnitOfWork, store: &FakeStore) {
    let rows = Arc::clone(&store.0);
    work.expect_save_history().returning(move |_, history| {
        rows.lock().unwrap().history = history.clone();
        Ok(())
    });
    let rows = Arc::clone(&store.0);
    work.expect_record_sync()
        .returning(move |id, record, history| {
            let mut rows = rows.lock().unwrap();
            let now = rows.now();
            if let Some(history) = history {
                rows.history = history.clone();
            }
            let (proof, clock_skew_ms) = (rows.history.proof, rows.history.clock_skew_ms);
            let vendor = rows.vendors.get_mut(id).unwrap();
            let finished = FinishedSync::new(now, record.clone());
            let started_at = now.minus(finished.took);
            vendor.last_sync = Some(finished);
            vendor.proof = proof;
            vendor.age = proof
                .and_then(Result::ok)
                .map(|proven| now.since(proven.as_of));
            vendor.clock_skew_ms = clock_skew_ms;
            let runs = rows.runs.entry(id.clone()).or_default();
            runs.push(Run {
                id: RunId(i64::try_from(runs.len()).unwrap() + 1),
                started_at,
                finished_at: now,
                outcome: record.outcome,
                details: record.details.clone(),
                error: record.error.clone(),
            });
            Ok(now)
        });
}

/// Adds the methods for pauses.
fn expect_pauses(work: &mut MockUnitOfWork, store: &FakeStore) {
    let rows = Arc::clone(&store.0);
    work.expect_find_pause()
        .returning(move |id| Ok(rows.lock().unwrap().pauses.get(id).copied()));
    let rows = Arc::clone(&store.0);
    work.expect_save_pause().returning(move |id, pause| {
        rows.lock().unwrap().pauses.insert(id.clone(), *pause);
        Ok(())
    });
    let rows = Arc::clone(&store.0);
    work.expect_clear_pause()
        .returning(move |id| Ok(rows.lock().unwrap().pauses.remove(id)));
    let rows = Arc::clone(&store.0);
    // No vendor of the tests that is in the store pushes its reports.
    work.expect_find_vendor_source().returning(|_| Ok(None));
    work.expect_pause_vendor().returning(move |id, reason| {
        let mut rows = rows.lock().unwrap();
        let now = rows.now();
        let earlier = rows.paused.get(id);
        let paused = OperatorPause {
            since: earlier.map_or(now, |paused| paused.since),
            reason: reason.or_else(|| earlier.and_then(|paused| paused.reason.clone())),
        };
        let is_known = rows.vendors.contains_key(id);
        if is_known {
            rows.paused.insert(id.clone(), paused.clone());
        }
        Ok(is_known.then_some(paused))
    });
    let rows = Arc::clone(&store.0);
    work.expect_resume_vendor()
        .returning(move |id| Ok(rows.lock().unwrap().paused.remove(id)));
}

fn accept(rows: &mut Rows, new: &NewOrder) -> Acceptance {
    let known = new.key.as_ref().and_then(|key| rows.keys.get(key));
    if let Some((id, batch)) = known {
        if *batch != new.batch {
            return Acceptance::KeyReused;
        }
        let order = rows.orders.iter().find(|order| order.id == *id).unwrap();
        return Acceptance::Existing(order.clone());
    }
    let order = rows.add_order(new.request.clone(), OrderState::Pending);
    if let Some(key) = &new.key {
        let value = (order.id, new.batch.clone());
        rows.keys.insert(key.clone(), value);
    }
    Acceptance::Created(order)
}

fn keep_quarantined_lines(work: &mut MockUnitOfWork, store: &FakeStore) {
    let rows = Arc::clone(&store.0);
    work.expect_add_quarantined_lines()
        .returning(move |_, _, lines| {
            let mut rows = rows.lock().unwrap();
            rows.quarantined.extend(lines.iter().cloned());
            Ok(())
        });
    let rows = Arc::clone(&store.0);
    work.expect_count_quarantined_lines()
        .returning(move |_, _| Ok(rows.lock().unwrap().quarantined.len() as u64));
}
