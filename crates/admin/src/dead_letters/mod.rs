//! `order-aggregator-admin dead-letters`: dead-lettered orders in the store and messages on the broker.
//!
//! An *order* is dead-lettered by settlement, with the reason, and stays `PENDING`. A *message* is dead-lettered by the
//! broker: it cannot be decoded, or it exceeded the delivery limit. Replaying either inserts the orders into the outbox.
//! Settlement only accepts `PENDING` orders, so no order is settled twice.

mod messages;
mod orders;
mod selection;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Subcommand;
use domain::ports::{DeadLetterQueries, Store};
use queue_rabbitmq::RabbitOptions;
use settings::Settings;
use storage_postgres::PgStore;

use crate::{connection, data_file};
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
struct Source<'a> {
    store: &'a dyn Store,
    queries: &'a dyn DeadLetterQueries,
    broker: Option<RabbitOptions>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(path) = &args.data {
        data_file::must_exist(path)?;
        let store = match args.action {
            Action::List | Action::Show(_) => data_file::open_read_only(path, &settings.embedded)?,
            Action::Replay(_) | Action::Discard(_) => data_file::open(path, &settings.embedded)?,
        };
        let source = Source {
            store: &store,
            queries: &store,
            broker: None,
        };
        return apply(&args.action, &source, &runtime);
    }
    let broker = connection::rabbitmq(settings)?;
    let options = connection::postgres(settings);
    // Create the connection pool inside the runtime that drives it.
    let store = runtime.block_on(async { PgStore::new(&options) })?;
    let source = Source {
        store: &store,
        queries: &store,
        broker: Some(broker),
    };
    apply(&args.action, &source, &runtime)
}

fn apply(action: &Action, source: &Source<'_>, runtime: &tokio::runtime::Runtime) -> Result<()> {
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
        found += messages::run(action, selection, broker, source.store, runtime)?;
    }
    if found == 0 && !selection.is_everything() {
        bail!("no such dead letter; run `order-aggregator-admin dead-letters list` to list all");
    }
    if found == 0 {
        println!("no dead letters");
    }
    Ok(())
}
