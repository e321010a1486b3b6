//! A running binary of this workspace.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running process. It is killed on drop.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a binary of this workspace. Its output is appended to a log file in `dir`.
    pub(crate) fn start(
        binary: &str,
        name: &str,
        dir: &Path,
        config: &Path,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let path = binary_path(binary);
        let child = Command::new(&path)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot start {} ({error}): run `cargo build --workspace --bins`",
                    path.display()
                )
            });
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// Sends SIGKILL and waits for the exit.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM and waits for the exit. Returns whether the exit status is 0.
    pub async fn terminate(&mut self) -> bool {
        let pid = self.child.id().expect("the process is running").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        self.wait().await
    }

    /// Waits for the exit without a signal. Returns whether the exit status is 0.
    pub async fn wait(&mut self) -> bool {
        timeout(Duration::from_secs(30), self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("{} did not exit; its log:\n{}", self.name, self.log()))
            .unwrap()
            .success()
    }

    /// Returns the process id while the process runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Returns the peak resident memory in bytes.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let pid = self
            .id()
            .expect("the process is running")
            .try_into()
            .unwrap();
        let status = procfs::process::Process::new(pid).unwrap().status();
        status.unwrap().vmhwm.expect("Linux reports VmHWM") * 1024
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Returns the path of a binary. Tests are in `target/<profile>/deps`, binaries in `target/<profile>`.
pub(crate) fn binary_path(binary: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .and_then(Path::parent)
        .expect("a test binary is in a target directory")
        .join(binary)
}
