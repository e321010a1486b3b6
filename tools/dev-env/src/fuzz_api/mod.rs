//! `cargo xtask fuzz-api`: sends valid and invalid requests to the running service, and checks the responses against the
//! OpenAPI document. The fuzzer is schemathesis. It runs against a fresh deployment, which is audited at the end.

mod schemathesis;
mod target;

use anyhow::{Context, Result, ensure};
use dev_env::programs::{self, Profile};
use dev_env::services;
use settings::Settings;

use schemathesis::Schemathesis;
use target::Target;

/// Arguments of `fuzz-api`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Maximum number of test cases per operation and phase.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Test API and worker on the PostgreSQL and RabbitMQ in the settings, with a dedicated database and virtual host, instead of
    /// the standalone program.
    #[arg(long)]
    servers: bool,
    /// Random seed of the test cases [default: a new seed, which the fuzzer prints].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let fuzzer = Schemathesis::installed()?;
    let needed: &[&str] = if args.servers {
        services::start(settings)?;
        &["api", "worker"]
    } else {
        &["standalone"]
    };
    let programs = programs::build(needed, Profile::Dev)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let target = if args.servers {
            Target::on_servers(&programs, settings).await?
        } else {
            Target::embedded(&programs).await?
        };
        let passed = fuzzer.run(&target, args.cases, args.seed).await;
        let audited = target
            .audit(settings)
            .await
            .context("audit after the fuzzer run");
        let stopped = target.stop().await;
        ensure!(passed?, "the fuzzer found failures: see its output above");
        audited?;
        stopped
    })
}
