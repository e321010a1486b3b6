//! What a benchmark holds the service against: the machine's own ceilings, each by the shortest program that reaches it.
//!
//! `cargo xtask bench` builds this with optimisations and runs it beside the service, under the same load and on the same
//! servers. Each command but `http` runs for a time and prints its result as one line of JSON. It is no part of the service.

mod batches;
mod broker;
mod http;
mod one_at_a_time;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use settings::Settings;

/// Measures what this machine can do at most. Servers are those of the settings (`DB_*`, `RABBITMQ_URL`).
#[derive(Debug, Parser)]
#[command(name = "baselines", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer POSTs of an order with 202, and do nothing else, until SIGTERM.
    Http {
        /// Port to listen on, on this machine only.
        #[arg(long)]
        port: u16,
        /// Threads that answer.
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Insert orders in batches and settle them in batches, on one connection, in the tables of the schema bench.
    Batches {
        /// How long.
        #[arg(long)]
        seconds: u64,
        /// Orders in one transaction.
        #[arg(long, default_value_t = 256)]
        batch: u32,
        /// Products that they are spread over.
        #[arg(long, default_value_t = 1)]
        products: u32,
    },
    /// Publish to and consume from a quorum queue of its own, at once, with confirms and acknowledgements.
    Broker {
        /// How long.
        #[arg(long)]
        seconds: u64,
        /// Order ids in one message.
        #[arg(long, default_value_t = 1)]
        ids: u32,
    },
    /// Accept and settle one order after the other, a transaction each, in a data file like the service's.
    OneAtATime {
        /// The file, with stock in it.
        #[arg(long)]
        data: PathBuf,
        /// How long.
        #[arg(long)]
        seconds: u64,
        /// Products that they are spread over, SKU-1 onwards.
        #[arg(long, default_value_t = 1)]
        products: u32,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("baselines: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let settings = Settings::load(None)?;
    let result = match command {
        Command::Http { port, workers } => return http::serve(port, workers),
        Command::Batches {
            seconds,
            batch,
            products,
        } => serde_json::to_string(&batches::run(
            &settings.database,
            Duration::from_secs(seconds),
            batch,
            products,
        )?)?,
        Command::Broker { seconds, ids } => serde_json::to_string(&broker::run(
            &settings.rabbitmq,
            Duration::from_secs(seconds),
            ids,
        )?)?,
        Command::OneAtATime {
            data,
            seconds,
            products,
        } => serde_json::to_string(&one_at_a_time::run(
            data,
            Duration::from_secs(seconds),
            products,
        )?)?,
    };
    println!("{result}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
