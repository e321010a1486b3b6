//! Messages that the broker dead-lettered.

use anyhow::Result;
use domain::identifiers::OrderId;
use domain::ports::Store;
use queue_rabbitmq::{DeadMessage, DeadMessages, Disposition, RabbitOptions};

use super::selection::Selection;
use super::{Action, orders};

/// Maximum number of characters of a body that are shown.
const MAX_BODY_CHARS: usize = 2_000;

/// Applies the action to the selected messages. Returns the number of selected messages.
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
                    // Commit before the message is removed: after a crash in between, the message is replayed again, and its
                    // orders are already in the outbox or settled.
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
            println!("replayed {removed} of {found} messages with {replayed} orders");
        }
        Action::Discard(_) if found > 0 => println!("discarded {removed} messages"),
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
    let timestamp = message.died_at.map(|timestamp| timestamp.to_string());
    timestamp.unwrap_or_else(|| "unknown time".to_owned())
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
    fn message_line_has_its_queue_cause_and_contents() {
        let unreadable = message(Err("the body is not a message".to_owned()));
        assert_eq!(
            line(&unreadable),
            "message 0badcafe  unknown time  rejected in orders.3: the body is not a message"
        );
        assert!(details(&unreadable).ends_with("body:     7 bytes: no\\nJSON"));
        let readable = message(Ok(vec![OrderId(3), OrderId(4)]));
        assert!(line(&readable).ends_with("orders.3: orders 3, 4"));
    }
}
