//! Under any load and any faults, each caller gets exactly one result, and it is correct.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::{FakeStore, Fault, batch, keyed, settings, unkeyed, wire};
use super::*;
use crate::identifiers::OrderId;

/// Orders with these quantities can never be written.
const POISON: [u32; 2] = [1, 2];

/// The request of one caller.
#[derive(Debug, Clone)]
struct CallerRequest {
    /// The quantity of a single order, or those of a batch.
    quantities: Vec<u32>,
    is_batch: bool,
    key: Option<u8>,
    /// Number of times that other tasks run before the next request.
    pause: usize,
}

#[derive(Debug, Clone)]
struct Plan {
    requests: Vec<CallerRequest>,
    faults: Vec<Fault>,
    max_batch: usize,
    max_waiting: usize,
    writers: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let quantities = prop_oneof![
        3 => (1..12_u32).prop_map(|quantity| (vec![quantity], false)),
        1 => vec(1..12_u32, 1..5).prop_map(|quantities| (quantities, true)),
        // So few different batches that some are repeated.
        1 => vec(3..5_u32, 1..3).prop_map(|quantities| (quantities, true)),
    ];
    let request = (quantities, proptest::option::of(0..4_u8), 0..4_usize);
    let request = request.prop_map(|((quantities, is_batch), key, pause)| CallerRequest {
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
        vec(request, 0..40),
        vec(fault, 0..20),
        1..10_usize,
        1..40_usize,
        1..4_usize,
    )
        .prop_map(|(requests, faults, max_batch, max_waiting, writers)| Plan {
            requests,
            faults,
            max_batch,
            max_waiting,
            writers,
        })
}

async fn send(batcher: OrderBatcher, request: CallerRequest) -> PlaceResult<PlacedBatch> {
    let key = request.key.map(|key| format!("key-{key}"));
    if request.is_batch {
        let batch = batch(&request.quantities, key.as_deref());
        return batcher.place_all(batch).await;
    }
    let quantity = request.quantities[0];
    let order = match key {
        Some(key) => keyed(quantity, &key),
        None => unkeyed(quantity),
    };
    batcher.place(order).await.map(|placed| PlacedBatch {
        orders: vec![placed.order],
        replayed: placed.replayed,
    })
}

async fn run_plan(plan: &Plan) -> (Arc<FakeStore>, Vec<PlaceResult<PlacedBatch>>) {
    let store = FakeStore::open();
    store.poison(&POISON);
    store.fail(plan.faults.iter().copied());
    let (batcher, writer) = wire(&store, settings(plan.max_batch, plan.max_waiting));
    let writers: Vec<_> = (0..plan.writers)
        .map(|_| tokio::spawn(writer.clone().run()))
        .collect();
    drop(writer);
    let mut callers = Vec::new();
    for request in &plan.requests {
        callers.push(tokio::spawn(send(batcher.clone(), request.clone())));
        for _ in 0..request.pause {
            tokio::task::yield_now().await;
        }
    }
    drop(batcher);
    let mut results = Vec::new();
    for caller in callers {
        results.push(caller.await.unwrap());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    (store, results)
}

proptest! {
    #[test]
    fn each_caller_gets_exactly_one_correct_result(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, results) = runtime.block_on(run_plan(&plan));
        prop_assert_eq!(results.len(), plan.requests.len());
        let orders: usize = plan.requests.iter().map(|request| request.quantities.len()).sum();
        let mut created = HashSet::<OrderId>::new();
        for (request, result) in plan.requests.iter().zip(results) {
            let is_poison = request.quantities.iter().any(|quantity| POISON.contains(quantity));
            match result {
                Ok(placed) => {
                    let placed_orders = placed.orders.iter();
                    let quantities: Vec<u32> =
                        placed_orders.map(|order| order.quantity.units()).collect();
                    prop_assert_eq!(&quantities, &request.quantities);
                    prop_assert!(!is_poison);
                    prop_assert!(!placed.replayed || request.key.is_some());
                    for order in placed.orders {
                        prop_assert!(placed.replayed || created.insert(order.id));
                    }
                }
                Err(PlaceOrderError::KeyReused) => prop_assert!(request.key.is_some()),
                Err(PlaceOrderError::Store(StoreError::Corrupt { .. })) => prop_assert!(is_poison),
                Err(PlaceOrderError::Store(error)) => prop_assert!(error.is_retryable()),
                Err(PlaceOrderError::Full) => prop_assert!(orders > plan.max_waiting),
            }
        }
        prop_assert_eq!(created.len(), store.committed() - store.lost());
        prop_assert_eq!(created.len(), store.batches().into_iter().sum::<usize>());
    }
}
