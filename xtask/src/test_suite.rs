//! `cargo xtask test`: runs all tests against real servers, and prints the contracts that each adapter passed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use workspace::process;

use crate::{contracts, forward};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments for `cargo nextest run`, such as a part of a test's name. With arguments, documentation tests are skipped.
    #[arg(last = true, value_name = "NEXTEST ARGS")]
    nextest_args: Vec<String>,
}

impl Args {
    /// All tests.
    pub(crate) fn all() -> Self {
        Self {
            nextest_args: Vec::new(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<()> {
    let variables = forward::output_of_dev_env(config, &["services", "environment"])?;
    let variables: BTreeMap<String, String> = serde_json::from_str(&variables)?;
    let cargo = || {
        let mut command = workspace::cargo();
        command.envs(&variables);
        command
    };
    // The end-to-end tests run the programs, but cargo builds programs only for the tests of their own packages. Building
    // both in one call builds shared dependencies once.
    process::run(cargo().args(["build", "--workspace", "--bins", "--tests"]))?;
    let all = args.nextest_args.is_empty();
    if all {
        contracts::clear()?;
        process::run(cargo().args(["test", "--workspace", "--doc", "--quiet"]))?;
    }
    let mut tests = cargo();
    if has_nextest() {
        tests.args(["nextest", "run", "--workspace"]);
        if std::env::var_os("CI").is_some() {
            tests.args(["--profile", "ci"]);
        }
    } else {
        eprintln!(
            "cargo-nextest is not installed (cargo install --locked cargo-nextest): running cargo test instead"
        );
        tests.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
    }
    let passed = process::run(tests.args(&args.nextest_args));
    if !all {
        return passed;
    }
    // Report also after a failure, because the table may explain it.
    let contracts_passed = contracts::report();
    passed.and(contracts_passed)
}

fn has_nextest() -> bool {
    process::succeeds(Command::new("cargo-nextest").args(["nextest", "--version"]))
}
