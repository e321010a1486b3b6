//! The program `standalone`: API, worker and mock vendors in one process, with all data in one file. It requires no other
//! program.
//!
//! Its guarantees are those of the distributed deployment; only the adapters differ, and this crate wires them.

mod adapters;
mod banner;
mod deployment;
mod mock_vendors;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use settings::Settings;

/// Accepts orders over HTTP, settles them and syncs vendors, in one process with one data file.
///
/// Settings are read from config/default.toml (built in), the --config file, a .env file, the environment and the options
/// below, in order of increasing precedence. The settings of PostgreSQL and RabbitMQ and the worker's port are ignored: data
/// is in the data file, orders are queued in memory, and /readyz of the API covers the whole process.
///
/// Mock vendors are started for vendors in the settings whose URL is on this machine with the path /vendorA/stock or
/// /vendorB/stock, as in the default settings.
///
/// SIGTERM and Ctrl-C shut the process down: requests and settlements in progress are completed. Other accepted orders are
/// in the data file and are settled after the next start, as after a crash. The exit code is 0 if the shutdown completed in
/// time. Logs are written to standard error.
#[derive(Debug, Parser)]
#[command(name = "standalone", version, max_term_width = 100)]
struct Arguments {
    /// Path of the data file; the file and its directory are created if missing [default: the setting embedded.path,
    /// order-aggregator.db].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// TCP port of the API; 0 lets the system choose [default: the setting api.port or PORT, 3000].
    #[arg(long)]
    port: Option<u16>,
    /// File with settings that override the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not start mock vendors.
    #[arg(long)]
    no_mock_vendors: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        // The reason is in the log.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("standalone: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the shutdown was requested and completed in time.
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
    fn command_line_definition_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
