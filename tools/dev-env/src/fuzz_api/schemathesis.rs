//! schemathesis, in a Python virtual environment in the target directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use dev_env::services::debian;
use workspace::process;

use super::target::Target;

const VERSION: &str = "4.32.5";

/// Hooks for rules that the OpenAPI document cannot express.
const HOOKS: &str = "tools/dev-env/fuzz-api/hooks.py";

/// Timeout of a request, in seconds. The slowest request is a sync, and its vendor is in this process.
const REQUEST_TIMEOUT_S: &str = "10";

/// The installed fuzzer.
pub(super) struct Schemathesis {
    program: PathBuf,
}

impl Schemathesis {
    /// Finds the fuzzer, and installs it if it is missing.
    pub(super) fn installed() -> Result<Self> {
        let dir = install_dir()?;
        let program = dir.join("bin/schemathesis");
        if !process::succeeds(Command::new(&program).arg("--version")) {
            install(&dir)?;
        }
        Ok(Self { program })
    }

    /// Runs all checks and phases. Returns whether all of them passed.
    pub(super) async fn run(&self, target: &Target, cases: u32, seed: Option<u64>) -> Result<bool> {
        let dir = tempfile::tempdir()?;
        let mut fuzzer = tokio::process::Command::new(&self.program);
        fuzzer
            // The fuzzer leaves files in its working directory.
            .current_dir(dir.path())
            // The fuzzer accepts a module path.
            .env("SCHEMATHESIS_HOOKS", std::path::absolute(HOOKS)?)
            .args(["run", &format!("{}/openapi.json", target.url())])
            .args([
                "--header",
                &format!("Authorization: Bearer {}", target.key()),
            ])
            .args(["--checks", "all", "--continue-on-failure"])
            .args(["--phases", "examples,coverage,fuzzing,stateful"])
            .args(["--max-examples", &cases.to_string()])
            // The response is endless, and the fuzzer waits for its end; tests cover it (docs/contribute/contract-tests.md).
            .args(["--exclude-path", "/api/v1/events"])
            .args(["--request-timeout", REQUEST_TIMEOUT_S])
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
            _ => bail!("schemathesis exited with {status}"),
        }
    }
}

fn install_dir() -> Result<PathBuf> {
    let metadata = workspace::metadata()?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata has no target directory")?;
    Ok(Path::new(target).join(format!("schemathesis-{VERSION}")))
}

fn install(dir: &Path) -> Result<()> {
    if !has_venv() {
        if !debian::can_install() {
            bail!(
                "the fuzzer requires Python 3 with venv and pip: install them and run the command again"
            );
        }
        debian::install_tool("python3-venv")?;
    }
    if dir.exists() {
        // An incomplete installation.
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
    let package = format!("schemathesis=={VERSION}");
    let mut pip = Command::new(dir.join("bin/python"));
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
