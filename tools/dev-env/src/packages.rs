//! Packages for Python and Node.js in the target directory, in the versions of a committed lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use dev_env::services::debian;
use workspace::process;

/// Arguments of a command that needs packages.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Skip the check with a warning if Python, Node.js or their packages are not available, instead of failing.
    #[arg(long)]
    allow_missing_tools: bool,
}

impl Args {
    /// Returns the installed packages. If that failed and is allowed, prints that the check is skipped.
    pub(crate) fn unless_missing<T>(&self, check: &str, installed: Result<T>) -> Result<Option<T>> {
        match installed {
            Err(error) if self.allow_missing_tools => {
                eprintln!("{check} were NOT checked: {error:#}");
                Ok(None)
            }
            installed => installed.map(Some),
        }
    }
}

/// Installs the packages in `requirements.txt` of a directory. Returns the virtual environment.
pub(crate) fn python(source: &str) -> Result<PathBuf> {
    install(
        Path::new(source),
        "requirements.txt",
        |dir, requirements| {
            if !process::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
                if !debian::can_install() {
                    bail!("Python 3 with venv and pip is not installed");
                }
                debian::install_tool("python3-venv")?;
            }
            process::capture(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
            let mut pip = Command::new(dir.join("bin/pip"));
            pip.args(["install", "-qq", "--disable-pip-version-check"]);
            process::capture(pip.arg("--requirement").arg(requirements))
        },
    )
}

/// Installs the packages in `package-lock.json` of a directory. Returns the directory with the packages, a copy of the files of
/// the source directory, and the OpenAPI document of the code in `openapi.json`.
pub(crate) fn npm(source: &str) -> Result<PathBuf> {
    let source = Path::new(source);
    let copy = |dir: &Path| -> Result<()> {
        for file in fs::read_dir(source)? {
            let file = file?;
            fs::copy(file.path(), dir.join(file.file_name()))?;
        }
        Ok(())
    };
    let dir = install(source, "package-lock.json", |dir, _| {
        copy(dir)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        process::capture(npm.current_dir(dir))
    })?;
    copy(&dir)?;
    let document: serde_json::Value = serde_json::from_str(api::openapi_document())?;
    fs::write(dir.join("openapi.json"), format!("{document:#}\n"))?;
    Ok(dir)
}

/// Runs a script of `package.json`.
pub(crate) fn npm_run(dir: &Path, script: &str) -> Result<()> {
    process::run(
        Command::new("npm")
            .args(["run", "--silent", script])
            .current_dir(dir),
    )
}

/// Installs packages, unless an earlier call has installed the same versions.
fn install(
    source: &Path,
    lock: &str,
    install: impl FnOnce(&Path, &Path) -> Result<String>,
) -> Result<PathBuf> {
    let lock = source.join(lock);
    let versions =
        fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let target = workspace::metadata()?.target_directory.into_std_path_buf();
    let dir = target
        .join("packages")
        .join(source.file_name().unwrap_or_default());
    // Written last: without it, an installation is incomplete.
    let installed = dir.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|text| text == versions) {
        return Ok(dir);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    eprintln!("installing the packages in {}", lock.display());
    install(&dir, &lock)?;
    fs::write(&installed, versions)?;
    Ok(dir)
}
