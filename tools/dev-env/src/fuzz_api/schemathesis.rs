//! schemathesis, in a Python virtual environment in the target directory.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::target::Target;

/// Directory of the hooks and of the requirements, which pin the version.
const SOURCE: &str = "tools/dev-env/fuzz-api";

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
        let program = packages::python(SOURCE)?.join("bin/schemathesis");
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
