//! `xtask audit`, as a person would run it.

use tokio::process::Command;

use crate::process::binary_path;

/// Runs it, which must find nothing.
pub(crate) async fn is_clean(arguments: &[&str], environment: &[(&str, String)]) {
    let output = Command::new(binary_path("xtask"))
        .arg("audit")
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()
        .await
        .expect("xtask cannot be started: run `cargo build --workspace --bins`");
    assert!(
        output.status.success(),
        "the audit is not clean:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
