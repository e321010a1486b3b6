//! Whatever comes and whatever fails, each caller is told once, and the truth.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::{FakeStore, Fault, keyed, settings, unkeyed, wire};
use super::*;
use crate::identifiers::OrderId;

/// Orders of so many units can never be written.
const POISON: [u32; 2] = [1, 2];

#[derive(Debug, Clone)]
struct Plan {
    /// Quantity, key, and how many times others get to run before the next order comes.
    orders: Vec<(u32, Option<u8>, usize)>,
    faults: Vec<Fault>,
    max_batch: usize,
    max_waiting: usize,
    writers: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let order = (1..12_u32, proptest::option::of(0..4_u8), 0..4_usize);
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Begin),
        1 => Just(Fault::Accept),
        1 => Just(Fault::Commit),
        1 => Just(Fault::CommitLost),
        1 => Just(Fault::Conflict),
        1 => Just(Fault::ConflictAtCommit),
    ];
    (
        vec(order, 0..40),
        vec(fault, 0..20),
        1..10_usize,
        1..40_usize,
        1..4_usize,
    )
        .prop_map(|(orders, faults, max_batch, max_waiting, writers)| Plan {
            orders,
            faults,
            max_batch,
            max_waiting,
            writers,
        })
}

async fn carry_out(plan: &Plan) -> (Arc<FakeStore>, Vec<Answer>) {
    let store = FakeStore::open();
    store.poison(&POISON);
    store.fail(plan.faults.iter().copied());
    let (intake, writer) = wire(&store, settings(plan.max_batch, plan.max_waiting));
    let writers: Vec<_> = (0..plan.writers)
        .map(|_| tokio::spawn(writer.clone().run()))
        .collect();
    drop(writer);
    let mut callers = Vec::new();
    for &(quantity, key, pause) in &plan.orders {
        let order = match key {
            Some(key) => keyed(quantity, &format!("key-{key}")),
            None => unkeyed(quantity),
        };
        let intake = intake.clone();
        callers.push(tokio::spawn(async move { intake.place(order).await }));
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
    }
    drop(intake);
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    (store, answers)
}

proptest! {
    #[test]
    fn each_caller_is_told_once_and_the_truth(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, answers) = runtime.block_on(carry_out(&plan));
        prop_assert_eq!(answers.len(), plan.orders.len());
        let mut created = HashSet::<OrderId>::new();
        for (&(quantity, key, _), answer) in plan.orders.iter().zip(answers) {
            let is_poison = POISON.contains(&quantity);
            match answer {
                Ok(placed) => {
                    prop_assert_eq!(placed.order.quantity.units(), quantity);
                    prop_assert!(!is_poison);
                    prop_assert!(!placed.replayed || key.is_some());
                    prop_assert!(placed.replayed || created.insert(placed.order.id));
                }
                Err(PlaceOrderError::KeyReused) => prop_assert!(key.is_some()),
                Err(PlaceOrderError::Store(StoreError::Corrupt { .. })) => prop_assert!(is_poison),
                Err(PlaceOrderError::Store(error)) => prop_assert!(error.is_retryable()),
                Err(PlaceOrderError::Full) => prop_assert!(plan.orders.len() > plan.max_waiting),
            }
        }
        prop_assert_eq!(created.len(), store.committed() - store.lost());
        prop_assert_eq!(created.len(), store.batches().into_iter().sum::<usize>());
    }
}
