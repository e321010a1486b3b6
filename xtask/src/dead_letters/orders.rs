//! Orders that settlement gave up.

use anyhow::Result;
use domain::identifiers::OrderId;
use domain::ports::{DeadLetter, Store, StoreError};

use super::selection::Selection;
use super::{Action, Place};

/// Dead letters handled in one transaction.
const PAGE: u32 = 1_000;

/// Acts on the selected orders. Returns how many there were.
pub(super) async fn run(action: &Action, selection: &Selection, place: &Place<'_>) -> Result<u64> {
    if selection.has_no_orders() {
        return Ok(0);
    }
    let (mut found, mut done, mut after) = (0, 0, None);
    loop {
        let page = place.queries.list_dead_letters(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.order_id);
        let selected: Vec<&DeadLetter> = page
            .iter()
            .filter(|letter| selection.has_order(letter))
            .collect();
        found += selected.len() as u64;
        let ids: Vec<OrderId> = selected.iter().map(|letter| letter.order_id).collect();
        match action {
            Action::List => selected.iter().for_each(|it| println!("{}", line(it))),
            Action::Show(_) => selected.iter().for_each(|it| println!("{}", details(it))),
            Action::Replay(_) => done += replay(place.store, &ids).await?,
            Action::Discard(_) => done += discard(place.store, &ids).await?,
        }
    }
    match action {
        Action::Replay(_) if found > 0 => println!("{done} of {found} orders are replayed"),
        Action::Discard(_) if found > 0 => println!("{done} dead letters of orders are discarded"),
        _ => {}
    }
    Ok(found)
}

/// Puts orders into the outbox, as far as they are `PENDING` and not in it.
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

fn line(letter: &DeadLetter) -> String {
    format!(
        "order {}  {}  {}",
        letter.order_id, letter.updated_at, letter.reason
    )
}

fn details(letter: &DeadLetter) -> String {
    format!(
        "order {}\n  reason:   {}\n  attempts: {}\n  first:    {}\n  last:     {}",
        letter.order_id, letter.reason, letter.attempts, letter.created_at, letter.updated_at
    )
}

#[cfg(test)]
mod tests {
    use domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn an_order_is_one_line_with_its_id_time_and_reason() {
        let letter = DeadLetter {
            order_id: OrderId(42),
            reason: "table orders, row 42: the value of quantity cannot be read".to_owned(),
            attempts: 3,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(1_000_000),
        };
        assert_eq!(
            line(&letter),
            "order 42  1970-01-01T00:00:01.000000Z  table orders, row 42: the value of quantity cannot be read"
        );
        assert!(details(&letter).contains("attempts: 3"));
    }
}
