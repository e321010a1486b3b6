//! `cargo xtask fuzz-api`: sends the running service what its own document allows and what it forbids, and holds the answers
//! against the document. The fuzzer is schemathesis; what it runs against is fresh, and its balances are recomputed at the end.

mod schemathesis;
mod target;

use anyhow::{Context, Result, ensure};
use settings::Settings;

use crate::programs::{self, Profile};
use crate::services;
use schemathesis::Schemathesis;
use target::Target;

/// What to run it against, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Most cases for each operation in each phase.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Run it against API and worker on the PostgreSQL and RabbitMQ of the settings, with a database and a virtual host of its
    /// own, instead of the embedded program.
    #[arg(long)]
    servers: bool,
    /// What all cases follow from [default: another one each time; the fuzzer shows it].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl Args {
    /// So few that a change does not wait for it, and the same ones each time.
    pub(crate) fn quick() -> Self {
        Self {
            cases: 30,
            servers: false,
            seed: Some(1),
        }
    }
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
        let audited = target.audit(settings).await.context("after the fuzzer");
        let stopped = target.stop().await;
        ensure!(passed?, "the fuzzer found failures: see above");
        audited?;
        stopped
    })
}
