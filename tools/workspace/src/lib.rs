//! Root directory, files and cargo calls of this workspace. Only development programs depend on this crate, which has few
//! dependencies, so that they build quickly.

pub mod process;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use cargo_metadata::{Metadata, MetadataCommand};

/// Returns the root directory.
#[must_use]
pub fn root() -> PathBuf {
    // Prefer the run-time value: the directory may have been moved since compilation.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest_dir
        .ancestors()
        .find(|dir| dir.join("Cargo.lock").is_file());
    root.unwrap_or(&manifest_dir).to_owned()
}

/// Returns a command for the cargo that runs this program.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    // `cargo run` sets these variables for the running package. Build scripts that watch them (such as ring's) would run again
    // after each switch between cargo called from here and cargo called from a shell.
    for (name, _) in std::env::vars_os() {
        let is_package_variable = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || [
                    "CARGO_BIN_NAME",
                    "CARGO_CRATE_NAME",
                    "CARGO_PRIMARY_PACKAGE",
                ]
                .contains(&name)
        });
        if is_package_variable {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the packages and directories of this workspace.
pub fn metadata() -> Result<Metadata> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    Ok(MetadataCommand::parse(process::capture(&mut metadata)?)?)
}

/// Returns every file of the project relative to the root, separated by `/`: tracked and untracked files that git does not
/// ignore, or all files without a repository (an unpacked archive).
pub fn files(root: &Path) -> Result<Vec<String>> {
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
    let mut dirs = vec![root.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let path = entry.path();
            let skipped = ["target", ".git", ".services"]
                .iter()
                .any(|name| entry.file_name() == *name);
            if skipped {
                continue;
            }
            if entry.file_type()?.is_dir() {
                dirs.push(path);
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
    fn git_and_directory_walk_both_list_this_file() {
        let root = root();
        let this = "tools/workspace/src/lib.rs".to_owned();
        assert!(files(&root).unwrap().contains(&this));
        let walked = walk(&root).unwrap();
        assert!(walked.contains(&this));
        assert!(!walked.iter().any(|path| path.starts_with("target/")));
    }
}
