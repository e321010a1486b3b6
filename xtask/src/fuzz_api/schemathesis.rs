//! schemathesis, in a Python environment of its own in the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::target::Target;
use crate::services::debian;
use crate::{process, workspace};

const VERSION: &str = "4.32.5";

/// What the document cannot say, and so is told to the fuzzer, each with its reason.
const HOOKS: &str = "xtask/fuzz-api/hooks.py";

/// Longest wait for one answer, in seconds. Nothing here takes longer than a sync, and that is of a vendor in this process.
const ANSWER_WITHIN_S: &str = "10";

/// The installed fuzzer.
pub(super) struct Schemathesis {
    program: PathBuf,
}

impl Schemathesis {
    /// Finds it, or installs it.
    pub(super) fn installed() -> Result<Self> {
        let folder = folder()?;
        let program = folder.join("bin/schemathesis");
        if !process::succeeds(Command::new(&program).arg("--version")) {
            install(&folder)?;
        }
        Ok(Self { program })
    }

    /// Runs all of its checks and phases; whether nothing failed.
    pub(super) async fn run(&self, target: &Target, cases: u32, seed: Option<u64>) -> Result<bool> {
        let folder = tempfile::tempdir()?;
        let mut fuzzer = tokio::process::Command::new(&self.program);
        fuzzer
            // It leaves files behind where it runs.
            .current_dir(folder.path())
            // It takes a module by its path.
            .env("SCHEMATHESIS_HOOKS", std::path::absolute(HOOKS)?)
            .args(["run", &format!("{}/openapi.json", target.url())])
            .args([
                "--header",
                &format!("Authorization: Bearer {}", target.key()),
            ])
            .args(["--checks", "all", "--continue-on-failure"])
            .args(["--phases", "examples,coverage,fuzzing,stateful"])
            .args(["--max-examples", &cases.to_string()])
            // Its answer has no end, and the fuzzer waits for one; tests hold it (docs/contract-tests.md).
            .args(["--exclude-path", "/api/v1/events"])
            .args(["--request-timeout", ANSWER_WITHIN_S])
            .args(["--generation-database", "none"])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(seed) = seed {
            fuzzer.args(["--seed", &seed.to_string()]);
        }
        let status = fuzzer.status().await.context("cannot run schemathesis")?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!("schemathesis ended with {status}"),
        }
    }
}

fn folder() -> Result<PathBuf> {
    let metadata = workspace::metadata()?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata has no target folder")?;
    Ok(Path::new(target).join(format!("schemathesis-{VERSION}")))
}

fn install(folder: &Path) -> Result<()> {
    if !has_venv() {
        if !debian::can_install() {
            bail!(
                "Python 3 with venv and pip is needed for the fuzzer: install it, and repeat the command"
            );
        }
        debian::install_tool("python3-venv")?;
    }
    if folder.exists() {
        // An installation that broke off.
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let package = format!("schemathesis=={VERSION}");
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    process::run(pip.arg(package))
}

fn has_venv() -> bool {
    process::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}
