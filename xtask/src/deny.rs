//! Checks licences, bans, sources and advisories of the dependencies with cargo-deny and `deny.toml`.

use std::process::Command;

use anyhow::{Result, bail};
use workspace::process;

/// Behaviour if cargo-deny is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Fail,
    Skip,
}

/// Runs cargo-deny. Without access to the advisory database, skips the advisories.
pub(crate) fn run(if_missing: IfMissing) -> Result<()> {
    if !process::succeeds(Command::new("cargo-deny").arg("--version")) {
        let message = "cargo-deny is not installed: cargo install --locked cargo-deny";
        if if_missing == IfMissing::Fail {
            bail!("{message}");
        }
        eprintln!("licences, bans, sources and advisories were NOT checked: {message}");
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
