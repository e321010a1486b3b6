//! One of our binaries, running.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running binary; killed with this value.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a binary of this workspace. What it prints is appended to a file in `folder`.
    pub(crate) fn start(
        binary: &str,
        name: &str,
        folder: &Path,
        config: &Path,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
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
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} cannot be started ({error}): run `cargo build --workspace --bins`",
                    path.display()
                )
            });
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and waits until it has ended. Returns whether it ended well.
    pub async fn terminate(&mut self) -> bool {
        let pid = self.child.id().expect("the process runs").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        self.ended().await
    }

    /// Waits until it has ended by itself. Returns whether it ended well.
    pub async fn ended(&mut self) -> bool {
        timeout(Duration::from_secs(30), self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("{} did not end; its log:\n{}", self.name, self.log()))
            .unwrap()
            .success()
    }

    /// Its number in the system, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The most memory that it has had at any time.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let pid = self.id().expect("the process runs").try_into().unwrap();
        let status = procfs::process::Process::new(pid).unwrap().status();
        status.unwrap().vmhwm.expect("Linux tells the peak") * 1024
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Tests are in `target/<profile>/deps`, binaries in `target/<profile>`.
pub(crate) fn binary_path(binary: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .and_then(Path::parent)
        .expect("a test is built into a target folder")
        .join(binary)
}
