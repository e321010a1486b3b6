//! The program `standalone`: API, worker and mock vendors in one process, with all data in one file. Nothing else has to
//! be installed or to run.
//!
//! What it promises is what the other deployment promises; only the adapters differ, and they are put together here.

mod adapters;
mod deployment;
mod greeting;
mod mock_vendors;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use settings::Settings;

/// Takes orders over HTTP, settles them and syncs vendors, all in one process on one data file.
///
/// Settings come from config/default.toml (built in), the file given with --config, a .env file, the environment and the
/// options here; the last one wins. Those of PostgreSQL and RabbitMQ play no part, nor does the worker's port: data is in
/// the file, orders are queued within the process, and /readyz of the API speaks for the whole process.
///
/// Vendors of the settings that are read from this machine at /vendorA/stock and /vendorB/stock, as the default ones are,
/// are mock vendors, and are started too.
///
/// SIGTERM and Ctrl-C end it: requests under way are answered and what is being settled is settled first; other orders
/// that were taken are in the file and are settled after the next start, as they are after a crash. The exit code tells
/// whether it could. Logs go to the standard error stream.
#[derive(Debug, Parser)]
#[command(name = "standalone", version, max_term_width = 100)]
struct Arguments {
    /// The data file; created, with its folder, if it is missing [default: the setting embedded.path,
    /// order-aggregator.db].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// TCP port of the API; 0 lets the system choose [default: the setting api.port or PORT, 3000].
    #[arg(long)]
    port: Option<u16>,
    /// File with settings that differ from the default ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start no mock vendors: whatever answers at the vendors' addresses is read.
    #[arg(long)]
    no_mock_vendors: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        // The log says why.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("standalone: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether it ended as it should.
async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let mut settings = Settings::load(arguments.config.as_deref())?;
    if let Some(path) = arguments.data {
        settings.embedded.path = path;
    }
    if let Some(port) = arguments.port {
        settings.api.port = port;
    }
    wiring::start_telemetry(&settings.telemetry)?;
    wiring::raise_open_files_limit();
    deployment::run(&settings, !arguments.no_mock_vendors).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
