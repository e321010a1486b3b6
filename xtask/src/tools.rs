//! Checks by programs that a contributor may not have: cargo-deny with `deny.toml`, typos with `typos.toml`, and promtool with
//! `deploy/monitoring`.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use workspace::process;

/// Behaviour if a program is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Fail,
    Skip,
}

/// Checks licences, bans, sources and advisories of the dependencies. Without access to the advisory database, skips the
/// advisories.
pub(crate) fn deny(if_missing: IfMissing) -> Result<()> {
    let checks = "licences, bans, sources and advisories";
    if !is_installed(
        "cargo-deny",
        "cargo install --locked cargo-deny",
        checks,
        if_missing,
    )? {
        return Ok(());
    }
    let fetched = process::capture(workspace::cargo().args(["deny", "fetch", "db"]));
    let mut deny = workspace::cargo();
    if let Err(error) = fetched {
        eprintln!("advisories were NOT checked: cannot fetch the advisory database ({error})");
        deny.args(["deny", "--offline", "check", "licenses", "bans", "sources"]);
    } else {
        deny.args(["deny", "check"]);
    }
    process::run(&mut deny)
}

/// Checks the spelling of all files, also of those whose names begin with a dot.
pub(crate) fn typos(if_missing: IfMissing) -> Result<()> {
    if !is_installed(
        "typos",
        "cargo install --locked typos-cli",
        "spellings",
        if_missing,
    )? {
        return Ok(());
    }
    process::run(Command::new("typos").args(["--hidden", "--exclude", ".git"]))
}

/// Checks the rules of Prometheus and runs their tests.
pub(crate) fn promtool(if_missing: IfMissing) -> Result<()> {
    let install =
        "apt-get install --no-install-recommends prometheus, or https://prometheus.io/download";
    if !is_installed("promtool", install, "alerts", if_missing)? {
        return Ok(());
    }
    let dir = workspace::root().join("deploy/monitoring");
    let promtool = |arguments: &[&str]| {
        let mut promtool = Command::new("promtool");
        process::run(promtool.args(arguments).current_dir(&dir))
    };
    promtool(&["check", "config", "prometheus.yml"])?;
    promtool(&["check", "rules", "rules.yml"])?;
    let tests = std::fs::read_dir(dir.join("tests")).context("cannot list the tests of alerts")?;
    let tests: Vec<String> = tests
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| format!("tests/{name}"))
        .collect();
    let tests = tests.iter().map(String::as_str);
    let arguments: Vec<&str> = ["test", "rules"].into_iter().chain(tests).collect();
    promtool(&arguments)
}

/// Returns whether a program is installed. If it is not, fails or prints which checks are skipped. `install` says how it is
/// installed.
pub(crate) fn is_installed(
    program: &str,
    install: &str,
    checks: &str,
    if_missing: IfMissing,
) -> Result<bool> {
    if process::find(program).is_some() {
        return Ok(true);
    }
    let message = format!("{program} is not installed: {install}");
    if if_missing == IfMissing::Fail {
        bail!("{message}");
    }
    eprintln!("{checks} were NOT checked: {message}");
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_fails_or_skips_the_check() {
        let installed = |if_missing| {
            is_installed(
                "no-such-program",
                "apt-get install none",
                "none",
                if_missing,
            )
        };
        assert!(!installed(IfMissing::Skip).unwrap());
        let error = installed(IfMissing::Fail).unwrap_err().to_string();
        assert!(error.contains("apt-get install none"), "{error}");
    }
}
