//! A running binary of this workspace.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::consumer::Consumer;
use crate::waiting::{POLL_INTERVAL, TIMEOUT};

/// Name of the settings file of a process.
pub(crate) const SETTINGS: &str = "settings.toml";

/// A running process. It is killed on drop.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    port: u16,
}

impl Process {
    /// Starts a binary of this workspace that is expected to listen on this port. It reads its settings from `settings.toml`
    /// in `dir`, where its output is appended to a log file.
    pub(crate) fn start(
        binary: &str,
        name: &str,
        dir: &Path,
        port: u16,
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
            .arg(dir.join(SETTINGS))
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
            port,
        }
    }

    /// Returns the port of the process's HTTP server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a client of the process's HTTP server.
    #[must_use]
    pub fn client(&self) -> Consumer {
        Consumer::new(self.port, None)
    }

    /// Waits until the process is ready.
    pub(crate) async fn ready(&self) {
        let (client, started) = (self.client(), Instant::now());
        while !client
            .try_get("/readyz")
            .await
            .is_ok_and(|response| response.status().is_success())
        {
            assert!(
                started.elapsed() < TIMEOUT,
                "{} did not become ready; its log:\n{}",
                self.name,
                self.log()
            );
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Sends SIGKILL and waits for the exit.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM and waits for the exit. Returns whether the exit status is 0.
    pub async fn terminate(&mut self) -> bool {
        kill_process(self.pid(), Signal::TERM).unwrap();
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

    /// Returns the process id. The process must be running.
    #[must_use]
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("the process is running");
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }

    /// Returns the peak resident memory in bytes.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let process = procfs::process::Process::new(self.pid().as_raw_nonzero().get());
        let status = process.unwrap().status();
        status.unwrap().vmhwm.expect("Linux reports VmHWM") * 1024
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
#[must_use]
pub fn binary_path(binary: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .and_then(Path::parent)
        .expect("a test binary is in a target directory")
        .join(binary)
}
