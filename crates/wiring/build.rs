//! Sets the version and the commit that a program reports.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let given = env::var("BUILD_COMMIT").ok();
    let commit = given.filter(|commit| is_commit(commit)).or_else(from_git);
    match commit {
        Some(commit) => {
            println!("cargo::rustc-env=PROGRAM_COMMIT={commit}");
            println!("cargo::rustc-env=PROGRAM_VERSION={version} ({commit})");
        }
        None => println!("cargo::rustc-env=PROGRAM_VERSION={version}"),
    }
}

/// The commit of the checkout. A debug build reports none, because each commit would build its programs again.
fn from_git() -> Option<String> {
    if env::var("PROFILE").ok()? != "release" {
        return None;
    }
    // Written by each commit and each checkout, also in a worktree.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["rev-parse", "--short=12", "HEAD"]).filter(|commit| is_commit(commit))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

fn is_commit(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
