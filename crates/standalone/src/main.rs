//! The program `order-aggregator`: API, worker and mock vendors in one process, with all data in one file. It requires no other
//! program.
//!
//! Its guarantees are those of the distributed deployment; only the adapters differ, and this crate wires them.

mod adapters;
mod banner;
mod deployment;
mod mock_vendors;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wiring::health::{self, HealthArgs};
use wiring::program::{self, ConfigArgs};
use wiring::sockets;

/// Accepts orders over HTTP, settles them and syncs vendors, in one process with one data file.
///
/// The settings of PostgreSQL and RabbitMQ and the worker's port are ignored: data is in the data file, orders are queued in
/// memory, and /readyz of the API covers the whole process.
///
/// Mock vendors are started for vendors in the settings whose URL is on this machine with the path /vendorA/stock or
/// /vendorB/stock, as in the default settings.
///
/// SIGTERM and Ctrl-C shut the process down: requests and settlements in progress are completed. Other accepted orders are
/// in the data file and are settled after the next start, as after a crash. The exit code is 0 if the shutdown completed in
/// time. Logs are written to standard error.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version = wiring::build::VERSION_AND_COMMIT, max_term_width = 100)]
struct Arguments {
    /// Path of the data file; the file and its directory are created if missing [default: the setting embedded.path,
    /// order-aggregator.db].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// TCP port of the API; 0 lets the system choose [default: the setting api.port or PORT, 3000].
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    health: HealthArgs,
    /// Do not start mock vendors.
    #[arg(long)]
    no_mock_vendors: bool,
}

/// Name of this program.
const PROGRAM: &str = env!("CARGO_BIN_NAME");

fn main() -> ExitCode {
    // Before the runtime starts its threads.
    let listener = sockets::take_listener();
    program::run_async(|arguments| run(arguments, listener))
}

async fn run(
    arguments: Arguments,
    listener: anyhow::Result<Option<TcpListener>>,
) -> anyhow::Result<ExitCode> {
    let mut settings = arguments.config.load()?;
    if let Some(path) = arguments.data {
        settings.embedded.path = path;
    }
    if let Some(port) = arguments.port {
        settings.api.port = port;
    }
    if arguments.health.health {
        let address = SocketAddr::new(settings.api.address, settings.api.port);
        health::check(address, settings.api.tls.is_some()).await?;
        return Ok(ExitCode::SUCCESS);
    }
    wiring::prepare_process(&settings.telemetry)?;
    let is_clean = deployment::run(&settings, listener?, !arguments.no_mock_vendors).await?;
    Ok(program::exit_code(is_clean))
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_recorded() {
        insta::assert_snapshot!(wiring::program::help::<super::Arguments>());
    }
}
