//! Dead letters of orders that settlement gave up, each with the reason, until the order is settled after all.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::OrderId;
use crate::timestamp::Timestamp;

/// Maximum length of a stored reason, in characters.
pub const MAX_DEAD_LETTER_REASON_CHARS: usize = 500;

/// An order that settlement gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The order, which is still `PENDING`.
    pub order_id: OrderId,
    /// The reason of the last failure, on one line.
    pub reason: String,
    /// Number of times that the order was given up.
    pub attempts: u32,
    /// When the order was first given up.
    pub created_at: Timestamp,
    /// When the order was last given up.
    pub updated_at: Timestamp,
}

/// Dead letters inside a transaction. There is at most one per order, so their number is bounded by that of the orders.
#[async_trait]
pub trait DeadLetterRepository {
    /// Records that an order was given up, and returns whether it had no dead letter before. If it has one, MUST replace the
    /// reason. MUST write nothing for an order that is not `PENDING`, and MUST NOT decode the order: its row may be
    /// unreadable. MUST store the reason as [`dead_letter_reason`] returns it.
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError>;

    /// Requeues those of the orders that are `PENDING` and not in the outbox, as one outbox entry, and removes the dead
    /// letters of all of them. MUST return the number of requeued orders.
    async fn replay_orders(&mut self, ids: &[OrderId]) -> Result<u64, StoreError>;

    /// Removes the dead letters of the orders, and returns the number of removed dead letters. MUST NOT change the orders.
    async fn discard_dead_letters(&mut self, ids: &[OrderId]) -> Result<u64, StoreError>;

    /// Removes at most `limit` dead letters of orders that are no longer `PENDING`, and returns their number. MUST keep the
    /// dead letters of `PENDING` orders.
    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError>;
}

/// Reads dead letters.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait DeadLetterQueries: Send + Sync {
    /// Returns at most `limit` dead letters of orders with ids above `after`, by id. MUST leave out orders that are no
    /// longer `PENDING`.
    async fn list_dead_letters(
        &self,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError>;
}

/// Formats a reason for storage: on one line, with control characters replaced by spaces, truncated to
/// [`MAX_DEAD_LETTER_REASON_CHARS`].
#[must_use]
pub fn dead_letter_reason(text: &str) -> String {
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == MAX_DEAD_LETTER_REASON_CHARS {
            break;
        }
        if character.is_control() {
            line.push(' ');
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        assert_eq!(dead_letter_reason("too\nodd\0"), "too odd ");
        let long = "ä".repeat(MAX_DEAD_LETTER_REASON_CHARS + 1);
        let kept = dead_letter_reason(&long).chars().count();
        assert_eq!(kept, MAX_DEAD_LETTER_REASON_CHARS);
    }
}
