//! The dead letters that a command applies to.

use anyhow::{Result, ensure};
use domain::identifiers::OrderId;
use domain::ports::DeadLetter;
use queue_rabbitmq::DeadMessage;

/// Dead letters by id, or all of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Selection {
    /// Select an order by its id.
    #[arg(long = "order", value_name = "ID")]
    orders: Vec<i64>,
    /// Select a message by the id that `list` shows.
    #[arg(long = "message", value_name = "ID")]
    messages: Vec<String>,
    /// Select all dead letters.
    #[arg(long, conflicts_with_all = ["orders", "messages"])]
    all: bool,
}

impl Selection {
    pub(super) fn everything() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.all
    }

    /// Rejects an empty selection; selecting everything requires `--all`.
    pub(super) fn check(&self) -> Result<()> {
        let is_empty = self.orders.is_empty() && self.messages.is_empty() && !self.all;
        ensure!(
            !is_empty,
            "select dead letters with --order ID, --message ID (both repeatable) or --all"
        );
        Ok(())
    }

    /// Returns whether the selection cannot contain orders.
    pub(super) fn has_no_orders(&self) -> bool {
        !self.all && self.orders.is_empty()
    }

    /// Returns whether the selection cannot contain messages.
    pub(super) fn has_no_messages(&self) -> bool {
        !self.all && self.messages.is_empty()
    }

    pub(super) fn has_order(&self, dead_letter: &DeadLetter) -> bool {
        let OrderId(id) = dead_letter.order_id;
        self.all || self.orders.contains(&id)
    }

    pub(super) fn has_message(&self, message: &DeadMessage) -> bool {
        self.all || self.messages.contains(&message.id)
    }
}
