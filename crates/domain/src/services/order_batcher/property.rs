//! Whatever comes and whatever fails, each caller is told once, and the truth.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::{FakeStore, Fault, batch, keyed, settings, unkeyed, wire};
use super::*;
use crate::identifiers::OrderId;

/// Orders of so many units can never be written.
const POISON: [u32; 2] = [1, 2];

/// What a caller asks for.
#[derive(Debug, Clone)]
struct Asked {
    /// One order alone, or those of a batch.
    quantities: Vec<u32>,
    is_batch: bool,
    key: Option<u8>,
    /// How many times others get to run before the next caller comes.
    pause: usize,
}

#[derive(Debug, Clone)]
struct Plan {
    asked: Vec<Asked>,
    faults: Vec<Fault>,
    max_batch: usize,
    max_waiting: usize,
    writers: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let quantities = prop_oneof![
        3 => (1..12_u32).prop_map(|quantity| (vec![quantity], false)),
        1 => vec(1..12_u32, 1..5).prop_map(|quantities| (quantities, true)),
        // Few enough that some are repeated.
        1 => vec(3..5_u32, 1..3).prop_map(|quantities| (quantities, true)),
    ];
    let asked = (quantities, proptest::option::of(0..4_u8), 0..4_usize);
    let asked = asked.prop_map(|((quantities, is_batch), key, pause)| Asked {
        quantities,
        is_batch,
        key,
        pause,
    });
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
        vec(asked, 0..40),
        vec(fault, 0..20),
        1..10_usize,
        1..40_usize,
        1..4_usize,
    )
        .prop_map(|(asked, faults, max_batch, max_waiting, writers)| Plan {
            asked,
            faults,
            max_batch,
            max_waiting,
            writers,
        })
}

async fn ask(batcher: OrderBatcher, asked: Asked) -> Answer<PlacedBatch> {
    let key = asked.key.map(|key| format!("key-{key}"));
    if asked.is_batch {
        let batch = batch(&asked.quantities, key.as_deref());
        return batcher.place_all(batch).await;
    }
    let quantity = asked.quantities[0];
    let order = match key {
        Some(key) => keyed(quantity, &key),
        None => unkeyed(quantity),
    };
    batcher.place(order).await.map(|placed| PlacedBatch {
        orders: vec![placed.order],
        replayed: placed.replayed,
    })
}

async fn carry_out(plan: &Plan) -> (Arc<FakeStore>, Vec<Answer<PlacedBatch>>) {
    let store = FakeStore::open();
    store.poison(&POISON);
    store.fail(plan.faults.iter().copied());
    let (batcher, writer) = wire(&store, settings(plan.max_batch, plan.max_waiting));
    let writers: Vec<_> = (0..plan.writers)
        .map(|_| tokio::spawn(writer.clone().run()))
        .collect();
    drop(writer);
    let mut callers = Vec::new();
    for asked in &plan.asked {
        callers.push(tokio::spawn(ask(batcher.clone(), asked.clone())));
        for _ in 0..asked.pause {
            tokio::task::yield_now().await;
        }
    }
    drop(batcher);
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
        prop_assert_eq!(answers.len(), plan.asked.len());
        let orders: usize = plan.asked.iter().map(|asked| asked.quantities.len()).sum();
        let mut created = HashSet::<OrderId>::new();
        for (asked, answer) in plan.asked.iter().zip(answers) {
            let is_poison = asked.quantities.iter().any(|quantity| POISON.contains(quantity));
            match answer {
                Ok(placed) => {
                    let placed_orders = placed.orders.iter();
                    let quantities: Vec<u32> =
                        placed_orders.map(|order| order.quantity.units()).collect();
                    prop_assert_eq!(&quantities, &asked.quantities);
                    prop_assert!(!is_poison);
                    prop_assert!(!placed.replayed || asked.key.is_some());
                    for order in placed.orders {
                        prop_assert!(placed.replayed || created.insert(order.id));
                    }
                }
                Err(PlaceOrderError::KeyReused) => prop_assert!(asked.key.is_some()),
                Err(PlaceOrderError::Store(StoreError::Corrupt { .. })) => prop_assert!(is_poison),
                Err(PlaceOrderError::Store(error)) => prop_assert!(error.is_retryable()),
                Err(PlaceOrderError::Full) => prop_assert!(orders > plan.max_waiting),
            }
        }
        prop_assert_eq!(created.len(), store.committed() - store.lost());
        prop_assert_eq!(created.len(), store.batches().into_iter().sum::<usize>());
    }
}
