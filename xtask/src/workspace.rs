//! Where this workspace is, which files belong to it, and how to call cargo in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;

/// The root folder.
pub(crate) fn root() -> PathBuf {
    // cargo says at run time where the manifest is; the folder at compile time may have been moved since.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir
        .parent()
        .map_or(manifest_dir.clone(), Path::to_path_buf)
}

/// A call of the cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    // `cargo run` describes the xtask package in these. Build scripts that watch them (ring's does) would be run again
    // with each change between a cargo called from here and one called from a shell.
    for (name, _) in std::env::vars_os() {
        let described = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || [
                    "CARGO_BIN_NAME",
                    "CARGO_CRATE_NAME",
                    "CARGO_PRIMARY_PACKAGE",
                ]
                .contains(&name)
        });
        if described {
            command.env_remove(name);
        }
    }
    command
}

/// What cargo says of the packages of this workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    Ok(serde_json::from_str(&process::capture(&mut metadata)?)?)
}

/// Every file of the project, relative to the root, with `/`: what git tracks or would track, or all files where there
/// is no repository (an unpacked archive).
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ])
    .current_dir(root);
    let mut files = match process::capture(&mut git) {
        Ok(listed) => listed
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file())
            .map(str::to_owned)
            .collect(),
        Err(_) => walk(root)?,
    };
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let skipped = ["target", ".git", ".services"]
                .iter()
                .any(|name| entry.file_name() == *name);
            if skipped {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                files.push(relative.replace('\\', "/"));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_the_walk_both_see_this_file() {
        let root = root();
        let this = "xtask/src/workspace.rs".to_owned();
        assert!(files(&root).unwrap().contains(&this));
        let walked = walk(&root).unwrap();
        assert!(walked.contains(&this));
        assert!(!walked.iter().any(|path| path.starts_with("target/")));
    }
}
