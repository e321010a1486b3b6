//! Messages that the broker dead-lettered.

use anyhow::Result;
use domain::identifiers::OrderId;
use domain::ports::Store;
use queue_rabbitmq::{DeadMessage, DeadMessages, Disposition, RabbitOptions};

use super::selection::Selection;
use super::{Action, orders};

/// Most characters of a body that are shown.
const MAX_BODY_CHARS: usize = 2_000;

/// Acts on the selected messages. Returns how many there were.
pub(super) fn run(
    action: &Action,
    selection: &Selection,
    broker: &RabbitOptions,
    store: &dyn Store,
    runtime: &tokio::runtime::Runtime,
) -> Result<u64> {
    if selection.has_no_messages() {
        return Ok(0);
    }
    let (mut found, mut removed, mut replayed) = (0_u64, 0_u64, 0_u64);
    DeadMessages::open(broker)?.visit(|message| -> Result<Disposition> {
        if !selection.has_message(message) {
            return Ok(Disposition::Keep);
        }
        found += 1;
        let disposition = match action {
            Action::List => {
                println!("{}", line(message));
                Disposition::Keep
            }
            Action::Show(_) => {
                println!("{}", details(message));
                Disposition::Keep
            }
            Action::Replay(_) => match &message.orders {
                Ok(ids) => {
                    // Committed before the message is removed: after a crash in between it is replayed again, and its
                    // orders are found in the outbox or settled.
                    replayed += runtime.block_on(orders::replay(store, ids))?;
                    Disposition::Remove
                }
                Err(reason) => {
                    println!("message {} cannot be replayed: {reason}", message.id);
                    Disposition::Keep
                }
            },
            Action::Discard(_) => Disposition::Remove,
        };
        removed += u64::from(disposition == Disposition::Remove);
        Ok(disposition)
    })?;
    match action {
        Action::Replay(_) if found > 0 => {
            println!("{removed} of {found} messages are replayed, with {replayed} orders");
        }
        Action::Discard(_) if found > 0 => println!("{removed} messages are discarded"),
        _ => {}
    }
    Ok(found)
}

fn line(message: &DeadMessage) -> String {
    format!(
        "message {}  {}  {} in {}: {}",
        message.id,
        died_at(message),
        message.cause,
        message.queue.as_deref().unwrap_or("an unknown queue"),
        contents(&message.orders)
    )
}

fn details(message: &DeadMessage) -> String {
    let body = String::from_utf8_lossy(&message.body);
    let shown: String = body.chars().take(MAX_BODY_CHARS).collect();
    format!(
        "message {}\n  queue:    {}\n  cause:    {}\n  died:     {}\n  contents: {}\n  body:     {} bytes: {}",
        message.id,
        message.queue.as_deref().unwrap_or("unknown"),
        message.cause,
        died_at(message),
        contents(&message.orders),
        message.body.len(),
        shown.escape_debug()
    )
}

fn died_at(message: &DeadMessage) -> String {
    let moment = message.died_at.map(|moment| moment.to_string());
    moment.unwrap_or_else(|| "time not stated".to_owned())
}

fn contents(orders: &Result<Vec<OrderId>, String>) -> String {
    match orders {
        Ok(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("orders {}", ids.join(", "))
        }
        Err(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(orders: Result<Vec<OrderId>, String>) -> DeadMessage {
        DeadMessage {
            id: "0badcafe".to_owned(),
            queue: Some("orders.3".to_owned()),
            cause: "rejected".to_owned(),
            died_at: None,
            orders,
            body: b"no\nJSON".to_vec(),
        }
    }

    #[test]
    fn a_message_states_where_and_why_it_died_and_what_it_holds() {
        let unreadable = message(Err("the body is not a message".to_owned()));
        assert_eq!(
            line(&unreadable),
            "message 0badcafe  time not stated  rejected in orders.3: the body is not a message"
        );
        assert!(details(&unreadable).ends_with("body:     7 bytes: no\\nJSON"));
        let readable = message(Ok(vec![OrderId(3), OrderId(4)]));
        assert!(line(&readable).ends_with("orders.3: orders 3, 4"));
    }
}
