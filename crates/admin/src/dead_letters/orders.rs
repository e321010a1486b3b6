//! Orders that settlement dead-lettered.

use anyhow::Result;
use domain::identifiers::OrderId;
use domain::ports::{DeadLetter, Store, StoreError};

use super::selection::Selection;
use super::{Action, Source};

/// Dead letters per transaction.
const PAGE: u32 = 1_000;

/// Applies the action to the selected orders. Returns the number of selected orders.
pub(super) async fn run(action: &Action, selection: &Selection, source: &Source) -> Result<u64> {
    if selection.has_no_orders() {
        return Ok(0);
    }
    let (mut found, mut done, mut after) = (0, 0, None);
    loop {
        let page = source.store.list_dead_letters(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.order_id);
        let selected: Vec<&DeadLetter> = page
            .iter()
            .filter(|dead_letter| selection.has_order(dead_letter))
            .collect();
        found += selected.len() as u64;
        let ids: Vec<OrderId> = selected
            .iter()
            .map(|dead_letter| dead_letter.order_id)
            .collect();
        match action {
            Action::List => selected.iter().for_each(|it| println!("{}", line(it))),
            Action::Show(_) => selected.iter().for_each(|it| println!("{}", details(it))),
            Action::Replay(_) => done += replay(&*source.store, &ids).await?,
            Action::Discard(_) => done += discard(&*source.store, &ids).await?,
        }
    }
    match action {
        Action::Replay(_) if found > 0 => println!("replayed {done} of {found} orders"),
        Action::Discard(_) if found > 0 => println!("discarded {done} dead letters of orders"),
        _ => {}
    }
    Ok(found)
}

/// Inserts the orders into the outbox that are `PENDING` and not in it. Returns their number.
pub(super) async fn replay(store: &dyn Store, ids: &[OrderId]) -> Result<u64, StoreError> {
    let mut work = store.begin().await?;
    let replayed = work.replay_orders(ids).await?;
    work.commit().await?;
    Ok(replayed)
}

async fn discard(store: &dyn Store, ids: &[OrderId]) -> Result<u64, StoreError> {
    let mut work = store.begin().await?;
    let discarded = work.discard_dead_letters(ids).await?;
    work.commit().await?;
    Ok(discarded)
}

fn line(dead_letter: &DeadLetter) -> String {
    format!(
        "order {}  {}  {}",
        dead_letter.order_id, dead_letter.updated_at, dead_letter.reason
    )
}

fn details(dead_letter: &DeadLetter) -> String {
    format!(
        "order {}\n  reason:   {}\n  attempts: {}\n  first:    {}\n  last:     {}",
        dead_letter.order_id,
        dead_letter.reason,
        dead_letter.attempts,
        dead_letter.created_at,
        dead_letter.updated_at
    )
}

#[cfg(test)]
mod tests {
    use domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn order_line_has_its_id_time_and_reason() {
        let dead_letter = DeadLetter {
            order_id: OrderId(42),
            reason: "table orders, row 42: the value of quantity cannot be read".to_owned(),
            attempts: 3,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(1_000_000),
        };
        assert_eq!(
            line(&dead_letter),
            "order 42  1970-01-01T00:00:01.000000Z  table orders, row 42: the value of quantity cannot be read"
        );
        assert!(details(&dead_letter).contains("attempts: 3"));
    }
}
