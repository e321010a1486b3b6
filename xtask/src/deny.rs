//! Licences, banned crates, sources and advisories of what the workspace depends on, as `deny.toml` has it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;
use crate::workspace;

/// What to do where cargo-deny is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Fail,
    Skip,
}

/// Runs cargo-deny; without access to the advisory database, everything but the advisories.
pub(crate) fn run(if_missing: IfMissing) -> Result<()> {
    if !process::succeeds(Command::new("cargo-deny").arg("--version")) {
        let line = "cargo-deny is not installed: cargo install --locked cargo-deny";
        if if_missing == IfMissing::Fail {
            bail!("{line}");
        }
        eprintln!("licences, bans, sources and advisories were NOT checked: {line}");
        return Ok(());
    }
    let fetched = process::capture(workspace::cargo().args(["deny", "fetch", "db"]));
    let mut deny = workspace::cargo();
    if let Err(error) = fetched {
        eprintln!("advisories were NOT checked: the advisory database cannot be fetched ({error})");
        deny.args(["deny", "--offline", "check", "licenses", "bans", "sources"]);
    } else {
        deny.args(["deny", "check"]);
    }
    process::run(&mut deny)
}
