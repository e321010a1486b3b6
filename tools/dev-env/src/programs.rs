//! Builds programs of this workspace, or finds programs of another build, and returns their paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

/// The embedded program.
pub const STANDALONE: &str = "order-aggregator";
/// The REST API.
pub const API: &str = "order-aggregator-api";
/// The worker.
pub const WORKER: &str = "order-aggregator-worker";
/// The operators' program.
pub const ADMIN: &str = "order-aggregator-admin";
/// The mock vendors.
pub const MOCK_VENDOR: &str = "order-aggregator-mock-vendor";

/// Names of the programs before they were renamed.
const EARLIER_NAMES: [(&str, &str); 3] =
    [(API, "api"), (WORKER, "worker"), (STANDALONE, "standalone")];

/// Paths of programs by name.
#[derive(Debug)]
pub struct Programs(BTreeMap<String, PathBuf>);

/// Build profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// For tests, with debug assertions.
    Dev,
    /// Optimised, with a short build time.
    Release,
    /// As shipped.
    Dist,
}

impl Profile {
    /// Returns cargo's name of the profile.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}

/// Builds programs.
pub fn build(names: &[&str], profile: Profile) -> Result<Programs> {
    let mut cargo = workspace::cargo();
    cargo
        .args(["build", "--message-format=json-render-diagnostics"])
        .arg("--workspace")
        .args(names.iter().flat_map(|name| ["--bin", name]))
        .args(["--profile", profile.name()])
        .stderr(Stdio::inherit());
    let output = cargo.output().context("cannot run cargo build")?;
    if !output.status.success() {
        bail!("cargo build failed with {}", output.status);
    }
    Ok(Programs(executables(&output.stdout)))
}

/// Returns the API, the worker and the embedded program of another build, as far as they are in this directory. The files may
/// have the names of earlier versions.
#[must_use]
pub fn in_dir(dir: &Path) -> Programs {
    let found = EARLIER_NAMES.iter().filter_map(|(name, earlier)| {
        let files = [name, earlier].map(|file| dir.join(file));
        let file = files.into_iter().find(|file| file.is_file())?;
        Some(((*name).to_owned(), file))
    });
    Programs(found.collect())
}

impl Programs {
    /// Returns the path of a program.
    pub fn path(&self, name: &str) -> Result<&Path> {
        let program = self.0.get(name).map(PathBuf::as_path);
        program.with_context(|| format!("there is no program {name}"))
    }
}

/// Returns the executables in the messages of cargo by file name. Lines that are not messages are ignored.
fn executables(messages: &[u8]) -> BTreeMap<String, PathBuf> {
    let messages = Message::parse_stream(messages).filter_map(Result::ok);
    let executables = messages.filter_map(|message| match message {
        Message::CompilerArtifact(artifact) => artifact.executable,
        _ => None,
    });
    let named = executables.filter_map(|executable| {
        let name = executable.file_name()?.to_owned();
        Some((name, PathBuf::from(executable)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn program_is_found_in_the_messages_of_cargo() {
        let artifact = |executable| {
            json!({
                "reason": "compiler-artifact", "package_id": "p", "manifest_path": "/Cargo.toml", "features": [],
                "filenames": [], "fresh": true, "executable": executable,
                "target": {
                    "kind": ["bin"], "crate_types": ["bin"], "name": "a", "src_path": "/a.rs", "edition": "2024",
                    "doctest": false, "test": false, "doc": false
                },
                "profile": {
                    "opt_level": "0", "debuginfo": 0, "debug_assertions": true, "overflow_checks": true, "test": false
                }
            })
        };
        let program = artifact(Some("/t/debug/order-aggregator-api"));
        let messages = format!("{}\nnoise\n{program}\n", artifact(None));
        let programs = Programs(executables(messages.as_bytes()));
        assert_eq!(
            programs.path(API).unwrap(),
            Path::new("/t/debug/order-aggregator-api")
        );
        assert!(programs.path(WORKER).is_err());
    }

    #[test]
    fn programs_of_another_build_may_have_earlier_names() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["api", WORKER, "worker"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let programs = in_dir(dir.path());
        assert_eq!(programs.path(API).unwrap(), dir.path().join("api"));
        assert_eq!(programs.path(WORKER).unwrap(), dir.path().join(WORKER));
        assert!(programs.path(STANDALONE).is_err());
    }
}
