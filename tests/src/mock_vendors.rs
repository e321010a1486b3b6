//! The program `order-aggregator-mock-vendor` with a script.

use tempfile::TempDir;

use crate::process::Process;
use crate::waiting::eventually;

const PROGRAM: &str = "order-aggregator-mock-vendor";

/// The vendors of a script, in a process of their own. It is killed on drop.
pub struct MockVendors {
    process: Process,
    _dir: TempDir,
}

impl MockVendors {
    /// Starts the program. Returns once it has printed where the report of each vendor is.
    pub async fn start(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script.toml");
        std::fs::write(&path, script).unwrap();
        let arguments = ["--script", path.to_str().unwrap()];
        let mut process = Process::start(PROGRAM, PROGRAM, dir.path(), 0, &arguments, &[]);
        let vendors = script.matches("\n[[vendors]]\n").count();
        eventually("the mock vendors are started", async || {
            assert!(process.is_running(), "{}", process.log());
            (process.log().lines().count() >= vendors).then_some(())
        })
        .await;
        Self { process, _dir: dir }
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
