//! How orders share transactions, and who is told what when one fails.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fake::{FakeStore, Fault, keyed, settings, unkeyed, wire};
use super::*;

/// Lets every task run until it waits.
async fn settle_down() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn place(batcher: &OrderBatcher, order: NewOrder) -> JoinHandle<Answer> {
    let batcher = batcher.clone();
    tokio::spawn(async move { batcher.place(order).await })
}

async fn place_all(batcher: &OrderBatcher, orders: Vec<NewOrder>) -> Vec<Answer> {
    let waiting: Vec<_> = orders
        .into_iter()
        .map(|order| place(batcher, order))
        .collect();
    let mut answers = Vec::new();
    for task in waiting {
        answers.push(task.await.unwrap());
    }
    answers
}

fn is_away(answer: &Answer) -> bool {
    matches!(
        answer,
        Err(PlaceOrderError::Store(StoreError::Unavailable(_)))
    )
}

fn is_unknown(answer: &Answer) -> bool {
    matches!(
        answer,
        Err(PlaceOrderError::Store(StoreError::CommitUnknown(_)))
    )
}

#[tokio::test]
async fn an_order_that_comes_alone_is_written_at_once() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 8));
    tokio::spawn(writer.run());
    let placed = batcher.place(unkeyed(1)).await.unwrap();
    assert!(!placed.replayed);
    assert_eq!(store.batches(), [1]);
}

#[tokio::test]
async fn orders_that_come_while_one_is_written_share_the_next_transaction() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(4, 100));
    tokio::spawn(writer.run());
    let first = place(&batcher, unkeyed(1));
    settle_down().await;
    let others: Vec<_> = (0..6).map(|_| place(&batcher, unkeyed(1))).collect();
    settle_down().await;
    store.let_begin(100);
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [1, 4, 2], "at most 4 at a time");
    assert_eq!(store.wakes(), 3, "one wake for each commit");
}

#[tokio::test]
async fn several_writers_have_transactions_of_their_own() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(100, 100));
    tokio::spawn(writer.clone().run());
    tokio::spawn(writer.run());
    let first = place(&batcher, unkeyed(1));
    settle_down().await;
    let second = place(&batcher, unkeyed(1));
    settle_down().await;
    let rest: Vec<_> = (0..5).map(|_| place(&batcher, unkeyed(1))).collect();
    settle_down().await;
    assert_eq!(store.begun(), 2);
    store.let_begin(100);
    for task in [first, second].into_iter().chain(rest) {
        task.await.unwrap().unwrap();
    }
    let mut batches = store.batches();
    batches.sort_unstable();
    assert_eq!(batches, [1, 1, 5]);
}

#[tokio::test]
async fn a_full_queue_answers_at_once_and_records_nothing() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 2));
    assert!(batcher.check_room().is_ok());
    let waiting = [place(&batcher, unkeyed(1)), place(&batcher, unkeyed(1))];
    settle_down().await;
    assert!(matches!(batcher.check_room(), Err(PlaceOrderError::Full)));
    let refused = timeout(Duration::ZERO, batcher.place(unkeyed(1))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));
    tokio::spawn(writer.run());
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [2]);
    assert!(batcher.check_room().is_ok());
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn a_bad_order_fails_alone() {
    let store = FakeStore::open();
    store.poison(&[13, 14, 40]);
    let (batcher, writer) = wire(&store, settings(64, 64));
    let orders = (1..=50).map(unkeyed).collect();
    let answers = place_all_before(&batcher, writer, orders).await;
    for (quantity, answer) in (1..).zip(answers) {
        match quantity {
            13 | 14 | 40 => assert!(matches!(
                answer,
                Err(PlaceOrderError::Store(StoreError::Corrupt { .. }))
            )),
            _ => assert_eq!(answer.unwrap().order.quantity.units(), quantity),
        }
    }
    assert_eq!(store.committed(), 47);
}

/// Places all before a writer looks, so that they share a batch.
async fn place_all_before(
    batcher: &OrderBatcher,
    writer: BatchWriter,
    orders: Vec<NewOrder>,
) -> Vec<Answer> {
    let begins = async {
        settle_down().await;
        tokio::spawn(writer.run());
    };
    tokio::join!(place_all(batcher, orders), begins).0
}

#[tokio::test]
async fn a_commit_with_an_unknown_outcome_is_reported_as_such_and_never_repeated() {
    let store = FakeStore::open();
    store.fail([Fault::CommitLost]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let answers = place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await;
    assert!(answers.iter().all(is_unknown), "{answers:?}");
    assert_eq!((store.begun(), store.committed()), (1, 3));
    // The orders may be there, so the relay is to look.
    assert_eq!(store.wakes(), 1);
    batcher.place(unkeyed(1)).await.unwrap();
    assert_eq!(store.committed(), 4);
}

#[tokio::test]
async fn a_store_in_which_nothing_begins_is_told_to_all_who_wait() {
    let store = FakeStore::closed();
    store.fail([Fault::Begin]);
    let (batcher, writer) = wire(&store, settings(1, 8));
    tokio::spawn(writer.run());
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    settle_down().await;
    store.let_begin(100);
    for task in tasks {
        assert!(is_away(&task.await.unwrap()));
    }
    assert_eq!((store.begun(), store.committed()), (1, 0));
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_breaks_fails_its_own_orders_only() {
    let store = FakeStore::closed();
    store.fail([Fault::Accept]);
    let (batcher, writer) = wire(&store, settings(1, 8));
    tokio::spawn(writer.run());
    let mut tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    settle_down().await;
    store.let_begin(100);
    assert!(is_away(&tasks.remove(0).await.unwrap()));
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_store_that_goes_away_between_halves_ends_the_halving() {
    let store = FakeStore::open();
    store.poison(&[1]);
    // The whole fails by its first order; so does the older half, and then the store goes.
    store.fail([Fault::None, Fault::None, Fault::Begin]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let answers = place_all_before(&batcher, writer, (1..=4).map(unkeyed).collect()).await;
    assert!(answers.iter().all(is_away));
    assert_eq!((store.begun(), store.committed()), (3, 0));
}

#[tokio::test]
async fn a_conflict_repeats_the_whole_batch() {
    let store = FakeStore::open();
    store.fail([Fault::Conflict, Fault::ConflictAtCommit]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    for answer in place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await {
        answer.unwrap();
    }
    assert_eq!(store.batches(), [3]);
    assert_eq!(store.wakes(), 1);
}

#[tokio::test]
async fn conflicts_without_end_are_given_up() {
    let store = FakeStore::open();
    store.fail([Fault::Conflict; 9]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let answers = place_all_before(&batcher, writer, vec![unkeyed(1), unkeyed(2)]).await;
    for answer in answers {
        assert!(matches!(
            answer,
            Err(PlaceOrderError::Store(StoreError::Conflict(_)))
        ));
    }
    assert_eq!((store.begun(), store.committed()), (9, 0));
}

#[tokio::test]
async fn a_key_that_stands_twice_in_a_batch_creates_one_order() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 8));
    let orders = vec![keyed(1, "k"), keyed(1, "k"), keyed(2, "k"), keyed(2, "l")];
    let answers = place_all_before(&batcher, writer, orders).await;
    let [first, repeat, other, unrelated] = answers.try_into().unwrap();
    let first = first.unwrap();
    assert!(!first.replayed);
    let repeat = repeat.unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.order, first.order);
    assert!(matches!(other, Err(PlaceOrderError::KeyReused)));
    assert!(!unrelated.unwrap().replayed);
    assert_eq!(store.committed(), 2);
}

#[tokio::test]
async fn a_batch_that_creates_nothing_wakes_nobody() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 8));
    tokio::spawn(writer.run());
    batcher.place(keyed(1, "k")).await.unwrap();
    assert!(batcher.place(keyed(1, "k")).await.unwrap().replayed);
    assert_eq!(store.wakes(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_disturbs_nobody() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(8, 8));
    tokio::spawn(writer.run());
    let gone_while_written = place(&batcher, unkeyed(1));
    settle_down().await;
    let gone_while_waiting = place(&batcher, unkeyed(2));
    let patient = place(&batcher, unkeyed(3));
    settle_down().await;
    gone_while_written.abort();
    gone_while_waiting.abort();
    settle_down().await;
    store.let_begin(100);
    patient.await.unwrap().unwrap();
    assert_eq!(
        store.batches(),
        [1, 1],
        "what nobody waits for is not begun"
    );
}

#[tokio::test]
async fn callers_are_told_when_the_last_writer_goes() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(1, 8));
    let running = [
        tokio::spawn(writer.clone().run()),
        tokio::spawn(writer.run()),
    ];
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    settle_down().await;
    running[0].abort();
    settle_down().await;
    let told = tasks.iter().filter(|task| task.is_finished()).count();
    assert_eq!(told, 1, "the others still have a writer");
    running[1].abort();
    for task in tasks {
        assert!(is_away(&task.await.unwrap()));
    }
    assert!(is_away(&batcher.place(unkeyed(1)).await));
    assert_eq!(store.committed(), 0);
}

#[tokio::test]
async fn a_writer_that_ends_while_it_commits_leaves_the_outcome_unknown() {
    let store = FakeStore::open();
    store.fail([Fault::CommitPanic]);
    let (batcher, writer) = wire(&store, settings(2, 8));
    let answers = place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await;
    assert!(
        is_unknown(&answers[0]) && is_unknown(&answers[1]),
        "{answers:?}"
    );
    // The third order was not in that transaction.
    assert!(is_away(&answers[2]), "{answers:?}");
}

#[tokio::test]
async fn a_writer_that_panics_tells_its_callers() {
    let store = FakeStore::open();
    store.fail([Fault::Panic]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let spare = writer.clone();
    let answers = place_all_before(&batcher, writer, vec![unkeyed(1), unkeyed(2)]).await;
    assert!(answers.iter().all(is_away));
    tokio::spawn(spare.run());
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn the_writer_ends_with_the_last_handle_after_it_has_answered_what_waited() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(2, 8));
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    settle_down().await;
    drop(batcher);
    timeout(Duration::from_secs(5), writer.run()).await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [2, 2, 1]);
}
