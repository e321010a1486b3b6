//! The program with a script.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(script: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-aggregator-mock-vendor"));
    command.arg("--script").arg(script);
    command
}

#[test]
fn program_runs_a_script_until_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.toml");
    let files = directory.path().join("files");
    fs::write(
        &script,
        format!(
            "[[vendors]]\nname = 'acme'\nlisten = '127.0.0.1:0'\nstock = {{}}\n\
             [[vendors]]\ntransport = 'file'\ndirectory = '{}'\nfile_name = 'a.json'\nstock = {{}}\n",
            files.display()
        ),
    )
    .unwrap();
    let mut command = program(&script);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut running = ChildGuard(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(
        first.starts_with("acme listens on http://127.0.0.1:") && first.ends_with("/stock"),
        "{first}"
    );
    assert_eq!(
        lines.next().unwrap().unwrap(),
        format!("vendor 2 writes {}/a.json", files.display())
    );
    let killed = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn program_names_the_wrong_line_of_a_script() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.toml");
    for (text, problem) in [
        (
            "[[vendors]]\nlisten = '127.0.0.1:0'\n",
            "is invalid: line 1: a vendor needs either stock or products",
        ),
        ("vendors = []\n", "has no vendors"),
    ] {
        fs::write(&script, text).unwrap();
        let output = program(&script).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!(
                "order-aggregator-mock-vendor: {} {problem}\n",
                script.display()
            )
        );
    }
}
