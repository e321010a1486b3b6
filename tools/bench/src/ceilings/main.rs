//! The program `ceilings`: the ceilings of this machine, each measured by a minimal program.
//!
//! `cargo xtask bench` builds this program with optimisations and runs it under the same load and on the same servers as
//! the service. Each command except `http` and `redis` runs for a fixed time and prints its result as one line of JSON. This
//! program is not part of the service.

mod batches;
mod broker;
mod http;
mod one_at_a_time;
mod redis_peer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use settings::Settings;

/// Measure the ceilings of this machine. Connects to the servers in the settings (`DB_*`, `RABBITMQ_URL`).
#[derive(Debug, Parser)]
#[command(name = "ceilings", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve `POST /api/v1/order` with 202 and no other work, until SIGTERM.
    Http {
        /// Port to listen on (loopback only).
        #[arg(long)]
        port: u16,
        /// Number of HTTP worker threads.
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Serve `POST /api/v1/order` with 201 after one script in Redis, until SIGTERM.
    Redis {
        /// Port to listen on (loopback only).
        #[arg(long)]
        port: u16,
        /// Port of Redis on this machine.
        #[arg(long)]
        redis: u16,
        /// Number of HTTP worker threads.
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Insert and settle orders in batches, on one connection, in the tables of the schema `bench`.
    Batches {
        /// Duration of the run, in seconds.
        #[arg(long)]
        seconds: u64,
        /// Orders per transaction.
        #[arg(long, default_value_t = 256)]
        batch: u32,
        /// Number of products.
        #[arg(long, default_value_t = 1)]
        products: u32,
    },
    /// Publish to and consume from a quorum queue concurrently, with confirms and acknowledgements.
    Broker {
        /// Duration of the run, in seconds.
        #[arg(long)]
        seconds: u64,
        /// Order ids per message.
        #[arg(long, default_value_t = 1)]
        ids: u32,
    },
    /// Accept and settle orders one at a time, one transaction each, in a SQLite data file.
    OneAtATime {
        /// Data file that contains stock.
        #[arg(long)]
        data: PathBuf,
        /// Duration of the run, in seconds.
        #[arg(long)]
        seconds: u64,
        /// Number of products, from SKU-1.
        #[arg(long, default_value_t = 1)]
        products: u32,
    },
}

fn main() -> ExitCode {
    wiring::program::run(run)
}

fn run(Arguments { command }: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(None)?;
    let result = match *command {
        Command::Http { port, workers } => return http::serve(port, workers),
        Command::Redis {
            port,
            redis,
            workers,
        } => return redis_peer::serve(port, workers, redis),
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
            ref data,
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
    fn command_line_definition_is_valid() {
        super::Arguments::command().debug_assert();
    }
}
