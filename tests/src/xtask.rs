//! `cargo xtask`, as a person would run it.

use std::process::{Output, Stdio};

use tokio::process::{Child, Command};

use crate::process::binary_path;

/// Variables for a program.
pub type Environment = [(&'static str, String)];

fn command(arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(binary_path("xtask"));
    command
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts it; what it prints can be read from its pipes.
#[must_use]
pub fn start(arguments: &[&str], environment: &Environment) -> Child {
    command(arguments, environment)
        .spawn()
        .expect("xtask cannot be started: run `cargo build --workspace --bins`")
}

/// Runs it. Returns whether it ended well, and what it printed.
pub async fn run(arguments: &[&str], environment: &Environment) -> (bool, String) {
    let ended = start(arguments, environment).wait_with_output().await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.unwrap();
    let printed = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.success(), printed.concat())
}

/// Runs it, which must end well. Returns what it printed.
pub async fn succeed(arguments: &[&str], environment: &Environment) -> String {
    let (ended_well, printed) = run(arguments, environment).await;
    assert!(
        ended_well,
        "xtask {} failed:\n{printed}",
        arguments.join(" ")
    );
    printed
}
