//! `cargo xtask dead-letters`: what was given up, in the store and on the broker.
//!
//! An *order* is dead-lettered by settlement, with the reason, and stays `PENDING`. A *message* is dead-lettered by the
//! broker: it cannot be read, or it was delivered too many times. Both are brought back by putting their orders into the
//! outbox; settlement takes an order only while it is `PENDING`, so that nothing is settled twice.

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

/// What to do with which dead letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// The data file of the embedded deployment, which has orders only; without it, the database and the broker of the
    /// settings. To replay or discard, the embedded deployment must not be running.
    #[arg(long, global = true, value_name = "FILE", value_parser = data_file::path)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, each on a line.
    List,
    /// Show them with everything that is known.
    Show(Selection),
    /// Put their orders back into the outbox, as far as they are still PENDING.
    Replay(Selection),
    /// Remove them. An order stays PENDING and is tried again by the sweeper; to end it, reject or cancel it.
    Discard(Selection),
}

/// Where dead letters are.
struct Place<'a> {
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
        let place = Place {
            store: &store,
            queries: &store,
            broker: None,
        };
        return act(&args.action, &place, &runtime);
    }
    let broker = wiring::rabbitmq(&settings.rabbitmq, "order-aggregator-xtask")?;
    let options = connection::pg_options(&settings.database);
    // A pool of connections is made on the runtime that drives them.
    let store = runtime.block_on(async { PgStore::new(&options) })?;
    let place = Place {
        store: &store,
        queries: &store,
        broker: Some(broker),
    };
    act(&args.action, &place, &runtime)
}

fn act(action: &Action, place: &Place<'_>, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let all = Selection::everything();
    let selection = match action {
        Action::List => &all,
        Action::Show(selection) | Action::Replay(selection) | Action::Discard(selection) => {
            selection
        }
    };
    selection.check()?;
    let mut found = runtime.block_on(orders::run(action, selection, place))?;
    if let Some(broker) = &place.broker {
        found += messages::run(action, selection, broker, place.store, runtime)?;
    }
    if found == 0 && !selection.is_everything() {
        bail!("there is no such dead letter; `dead-letters list` names all of them");
    }
    if found == 0 {
        println!("no dead letters");
    }
    Ok(())
}
