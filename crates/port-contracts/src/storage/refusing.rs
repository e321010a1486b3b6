//! A unit of work in which a call failed: it can only be dropped, and a retry would fail again.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::{OrderState, RejectReason};
use domain::ports::{StoreError, SyncOutcome, SyncRecord, UnitOfWork};
use domain::run::RunDetails;
use domain::settlement::{Outcome, SettledBatch, SettledOrder};
use domain::stock::StockChange;

use super::{StorageUnderTest, created};
use crate::builders::{new_order, product, vendor};

/// Calls that every store refuses.
const REFUSED: [Refused; 5] = [
    Refused::Batch,
    Refused::Settlement,
    Refused::State,
    Refused::Stock,
    Refused::Sync,
];

#[derive(Debug, Clone, Copy)]
enum Refused {
    Batch,
    Settlement,
    State,
    Stock,
    Sync,
}

impl Refused {
    /// Writes to a row that does not exist.
    async fn call(self, work: &mut dyn UnitOfWork) -> StoreError {
        let nothing = OrderId(i64::MAX);
        let settled = SettledOrder {
            id: nothing,
            product_id: product("p"),
            outcome: Outcome::Rejected(RejectReason::InsufficientStock),
        };
        let result = match self {
            Self::Batch => {
                let batch = SettledBatch {
                    orders: vec![settled],
                    stock: Vec::new(),
                };
                work.save_batch(&batch).await
            }
            Self::Settlement => work.save_settled(&[settled]).await,
            Self::State => {
                let saved = work.save_state(nothing, &OrderState::Cancelled).await;
                saved.map(drop)
            }
            Self::Stock => {
                let change = StockChange {
                    product_id: product("unknown"),
                    quantity: 1,
                    vendors: Vec::new(),
                };
                work.save_stock(&[change]).await
            }
            Self::Sync => {
                let record = SyncRecord {
                    outcome: SyncOutcome::Failed,
                    took: Duration::ZERO,
                    received: 0,
                    changed: 0,
                    error: None,
                    details: RunDetails::default(),
                };
                let recorded = work.record_sync(&vendor("unknown"), &record, None).await;
                recorded.map(drop)
            }
        };
        result.expect_err("a write to a missing row succeeded")
    }
}

/// After a refused call the commit is refused too, and nothing of the unit of work is kept, including the writes before that
/// call.
pub async fn a_unit_of_work_with_a_failed_call_cannot_be_committed(storage: &StorageUnderTest) {
    for refused in REFUSED {
        let mut work = storage.begin().await;
        let accepted = work.accept(&[new_order("p", 1)]).await.unwrap();
        let lost = created(accepted.into_iter().next().unwrap());
        refused.call(work.as_mut()).await;
        let committed = work.commit().await;
        assert!(committed.is_err(), "{refused:?} was committed");
        let found = storage.orders.find_order(lost.id).await.unwrap();
        assert_eq!(found, None, "{refused:?}");
    }
    storage.assert_sound().await;
}

/// A refusal is not transient: neither the call nor the use case is worth a retry.
pub async fn a_refused_call_is_not_retryable(storage: &StorageUnderTest) {
    for refused in REFUSED {
        let mut work = storage.begin().await;
        let error = refused.call(work.as_mut()).await;
        assert!(!error.is_retryable(), "{refused:?}: {error}");
        assert!(!error.is_conflict(), "{refused:?}: {error}");
    }
}

/// After a refused call other units of work continue immediately.
pub async fn a_refused_call_does_not_affect_others(storage: &StorageUnderTest) {
    let order = storage.place(new_order("p", 1)).await;
    for refused in REFUSED {
        let mut work = storage.begin().await;
        work.lock_order(order.id).await.unwrap();
        refused.call(work.as_mut()).await;
        drop(work);
        let mut next = super::immediately(storage.begin()).await;
        let locked = super::immediately(next.lock_order(order.id)).await.unwrap();
        assert_eq!(locked, Some(order.clone()));
    }
}
