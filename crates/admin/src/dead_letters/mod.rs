//! `order-aggregator-admin dead-letters`: dead-lettered orders in the store and messages on the broker.
//!
//! An *order* is dead-lettered by settlement, with the reason, and stays `PENDING`. A *message* is dead-lettered by the
//! broker: it cannot be decoded, or it exceeded the delivery limit. Replaying either inserts the orders into the outbox.
//! Settlement only accepts `PENDING` orders, so no order is settled twice.

mod messages;
mod orders;
mod selection;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Subcommand;
use queue_rabbitmq::RabbitOptions;
use settings::Settings;

use crate::connection;
use crate::store::{self, Access, AdminStore};
use selection::Selection;

/// Manage dead letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// Data file of the embedded deployment, which has dead-lettered orders only [default: the database and the broker in the
    /// settings]. Stop the embedded deployment before replaying or discarding.
    #[arg(long, global = true, value_name = "FILE")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, one per line.
    List,
    /// Show dead letters in detail.
    Show(Selection),
    /// Requeue the orders of dead letters that are still PENDING.
    Replay(Selection),
    /// Remove dead letters. Their orders stay PENDING and the sweeper retries them; to stop that, reject or cancel the order.
    Discard(Selection),
}

/// Location of the dead letters.
struct Source {
    store: Arc<dyn AdminStore>,
    broker: Option<RabbitOptions>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let access = match args.action {
        Action::List | Action::Show(_) => Access::Read,
        Action::Replay(_) | Action::Discard(_) => Access::Write,
    };
    let broker = match args.data {
        Some(_) => None,
        None => Some(connection::rabbitmq(settings)?),
    };
    let store = store::open(args.data.as_deref(), access, settings, &runtime)?;
    apply(&args.action, &Source { store, broker }, &runtime)
}

fn apply(action: &Action, source: &Source, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let all = Selection::everything();
    let selection = match action {
        Action::List => &all,
        Action::Show(selection) | Action::Replay(selection) | Action::Discard(selection) => {
            selection
        }
    };
    selection.check()?;
    let mut found = runtime.block_on(orders::run(action, selection, source))?;
    if let Some(broker) = &source.broker {
        found += messages::run(action, selection, broker, &*source.store, runtime)?;
    }
    if found == 0 && !selection.is_everything() {
        bail!("no such dead letter; run `order-aggregator-admin dead-letters list` to list all");
    }
    if found == 0 {
        println!("no dead letters");
    }
    Ok(())
}
