//! Which dead letters a command is about.

use anyhow::{Result, ensure};
use domain::identifiers::OrderId;
use domain::ports::DeadLetter;
use queue_rabbitmq::DeadMessage;

/// Dead letters by name, or all of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Selection {
    /// An order, by its id.
    #[arg(long = "order", value_name = "ID")]
    orders: Vec<i64>,
    /// A message, by the id that `list` shows.
    #[arg(long = "message", value_name = "ID")]
    messages: Vec<String>,
    /// All of them.
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

    /// Refuses an empty selection: to act on everything has to be said.
    pub(super) fn check(&self) -> Result<()> {
        let is_empty = self.orders.is_empty() && self.messages.is_empty() && !self.all;
        ensure!(
            !is_empty,
            "say which: --order ID, --message ID (both may be repeated) or --all"
        );
        Ok(())
    }

    /// Whether no order can be in it.
    pub(super) fn has_no_orders(&self) -> bool {
        !self.all && self.orders.is_empty()
    }

    /// Whether no message can be in it.
    pub(super) fn has_no_messages(&self) -> bool {
        !self.all && self.messages.is_empty()
    }

    pub(super) fn has_order(&self, letter: &DeadLetter) -> bool {
        let OrderId(id) = letter.order_id;
        self.all || self.orders.contains(&id)
    }

    pub(super) fn has_message(&self, message: &DeadMessage) -> bool {
        self.all || self.messages.contains(&message.id)
    }
}
