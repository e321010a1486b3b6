//! Runs the operators' program, `order-aggregator-admin`.

use std::process::{Output, Stdio};

use tokio::process::{Child, Command};

use crate::process::binary_path;

const PROGRAM: &str = "order-aggregator-admin";

/// Environment variables of a process.
pub type Environment = [(&'static str, String)];

/// Starts the program with its output piped.
#[must_use]
pub fn start(arguments: &[&str], environment: &Environment) -> Child {
    Command::new(binary_path(PROGRAM))
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("cannot start order-aggregator-admin: run `cargo build --workspace --bins`")
}

/// Runs the program. Returns whether it succeeded, and its output.
async fn run(arguments: &[&str], environment: &Environment) -> (bool, String) {
    let ended = start(arguments, environment).wait_with_output().await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.unwrap();
    let printed = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.success(), printed.concat())
}

/// Runs the program, which must succeed. Returns its output.
pub async fn succeed(arguments: &[&str], environment: &Environment) -> String {
    let (succeeded, printed) = run(arguments, environment).await;
    assert!(
        succeeded,
        "{PROGRAM} {} failed:\n{printed}",
        arguments.join(" ")
    );
    printed
}

/// Runs the program, which must fail and print the reason.
pub async fn fail(arguments: &[&str], environment: &Environment, reason: &str) {
    let (succeeded, printed) = run(arguments, environment).await;
    assert!(!succeeded, "{printed}");
    crate::assert_contains(&printed, reason);
}
