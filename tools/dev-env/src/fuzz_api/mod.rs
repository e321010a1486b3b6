//! `cargo xtask fuzz-api`: sends valid and invalid requests to the running service, and checks the responses against the
//! OpenAPI document. The fuzzer is schemathesis. It runs against a fresh deployment, which is audited at the end.

mod schemathesis;

use anyhow::{Result, ensure};
use settings::Settings;

use crate::target;
use schemathesis::Schemathesis;

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
    target::run(args.servers, settings, async |target| {
        let passed = fuzzer.run(target, args.cases, args.seed).await?;
        ensure!(passed, "the fuzzer found failures: see its output above");
        Ok(())
    })
}
