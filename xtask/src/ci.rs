//! `cargo xtask ci`: runs every check that a change must pass. All checks run even if one fails, cheap ones first, the tests
//! and the fuzzer last, so that one run reports all problems.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use workspace::process;

use crate::tools::{self, IfMissing};
use crate::{forward, openapi, packages, test_suite, tidy};

/// Arguments of `ci`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Skip the checks of cargo-deny, typos, promtool and the linters of packages, and those that need packages for Python and Node.js, with a warning where these
    /// are not available, instead of failing.
    #[arg(long)]
    allow_missing_tools: bool,
}

struct Step<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> Result<()> + 'a>,
}

struct Outcome {
    name: &'static str,
    took: Duration,
    passed: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<()> {
    let (if_missing, allow_missing): (_, &[&str]) = if args.allow_missing_tools {
        (IfMissing::Skip, &["--allow-missing-tools"])
    } else {
        (IfMissing::Fail, &[])
    };
    let dev_env = |command: &str, arguments: &[&str]| {
        process::run(
            forward::program("dev-env", config)
                .arg(command)
                .args(arguments),
        )
    };
    let steps = [
        step("fmt", || {
            process::run(workspace::cargo().args(["fmt", "--all", "--check"]))
        }),
        step("tidy", tidy::run),
        step("typos", move || tools::typos(if_missing)),
        step("deny", move || tools::deny(if_missing)),
        step("alerts", move || tools::promtool(if_missing)),
        step("packages", move || packages::run(if_missing)),
        step("clippy", || {
            let lint = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            process::run(workspace::cargo().args(lint))
        }),
        step("docs", || {
            let mut doc = workspace::cargo();
            doc.args(["doc", "--workspace", "--no-deps"]);
            process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
        }),
        step("openapi", || openapi::run(&openapi::Args::check())),
        step("test", || test_suite::run(&test_suite::Args::all(), config)),
        step("openapi rules", || dev_env("lint-openapi", allow_missing)),
        step("clients", || dev_env("generated-clients", allow_missing)),
        // Few and deterministic test cases.
        step("fuzz", || {
            dev_env("fuzz-api", &["--cases", "30", "--seed", "1"])
        }),
    ];
    let outcomes: Vec<Outcome> = steps.iter().map(run_step).collect();
    for outcome in &outcomes {
        eprintln!("{}", line(outcome));
    }
    match outcomes.iter().filter(|outcome| !outcome.passed).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", outcomes.len()),
    }
}

fn step<'a>(name: &'static str, run: impl Fn() -> Result<()> + 'a) -> Step<'a> {
    Step {
        name,
        run: Box::new(run),
    }
}

fn run_step(step: &Step<'_>) -> Outcome {
    eprintln!("== {}", step.name);
    let started = Instant::now();
    let result = (step.run)();
    if let Err(error) = &result {
        eprintln!("{}: {error:#}", step.name);
    }
    Outcome {
        name: step.name,
        took: started.elapsed(),
        passed: result.is_ok(),
    }
}

fn line(outcome: &Outcome) -> String {
    let verdict = if outcome.passed { "passed" } else { "FAILED" };
    format!(
        "{verdict}  {:<13} {:>6.1} s",
        outcome.name,
        outcome.took.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_step_is_listed_as_failed() {
        let outcome = run_step(&step("docs", || bail!("no")));
        assert!(line(&outcome).starts_with("FAILED  docs"));
        assert!(line(&run_step(&step("docs", || Ok(())))).starts_with("passed"));
    }
}
