//! Child processes that run concurrently, with merged output, and that are stopped together.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::endpoints;

/// Maximum time until a program is ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// Maximum time for a graceful exit.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum time until a killed program has exited.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// A program that has exited.
#[derive(Debug)]
pub struct Exited {
    /// Name of the program.
    pub name: &'static str,
    /// Its exit status.
    pub status: ExitStatus,
}

/// Running programs.
#[derive(Debug)]
pub struct Children {
    running: Vec<(&'static str, Pid)>,
    exits_tx: mpsc::UnboundedSender<Exited>,
    exits_rx: mpsc::UnboundedReceiver<Exited>,
}

impl Default for Children {
    fn default() -> Self {
        let (exits_tx, exits_rx) = mpsc::unbounded_channel();
        Self {
            running: Vec::new(),
            exits_tx,
            exits_rx,
        }
    }
}

impl Children {
    /// Starts a program with these variables added to the environment. Each line of its output is prefixed with its name.
    /// Returns the process id.
    pub fn start(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: &[OsString],
        variables: &[(&'static str, String)],
    ) -> Result<i32> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A separate process group: only this process handles Ctrl-C, and then stops the children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .with_context(|| format!("{name} exited immediately"))?;
        self.running.push((name, pid));
        let out = child
            .stdout
            .take()
            .map(|out| tokio::spawn(print_lines(name, out)));
        let err = child
            .stderr
            .take()
            .map(|err| tokio::spawn(print_lines(name, err)));
        let exits = self.exits_tx.clone();
        tokio::spawn(async move {
            let status = child.wait().await;
            // Print the remaining output before reporting the exit.
            for printing in [out, err].into_iter().flatten() {
                let _ = tokio::time::timeout(Duration::from_secs(1), printing).await;
            }
            if let Ok(status) = status {
                let _ = exits.send(Exited { name, status });
            }
        });
        Ok(pid.as_raw_nonzero().get())
    }

    /// Waits until the next program exits.
    pub async fn next_exit(&mut self) -> Exited {
        match self.exits_rx.recv().await {
            Some(exited) => {
                self.running.retain(|(name, _)| *name != exited.name);
                exited
            }
            // Unreachable: `self` holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Waits until a server among the programs is ready. Fails if a program exits.
    pub async fn wait_until_ready(&mut self, server: SocketAddr) -> Result<()> {
        let url = endpoints::http_url(server);
        tokio::select! {
            exited = self.next_exit() => bail!("{} exited with {}: see its output above", exited.name, exited.status),
            ready = tokio::time::timeout(READY_TIMEOUT, endpoints::wait_until_ready(&url)) =>
                ready.with_context(|| format!("not ready after {} s", READY_TIMEOUT.as_secs()))?,
        }
    }

    /// Stops all programs. Fails unless all of them exit gracefully.
    pub async fn stop_all(mut self) -> Result<()> {
        let graceful = self.stop(STOP_TIMEOUT, std::future::pending()).await;
        ensure!(graceful, "not every program exited gracefully");
        Ok(())
    }

    /// Sends SIGTERM to all programs, and SIGKILL to those that have not exited after `within` or when `hurry` completes.
    /// Returns whether all of them exited with success without SIGKILL.
    pub async fn stop(&mut self, within: Duration, hurry: impl Future<Output = ()>) -> bool {
        self.signal(Signal::TERM);
        let mut graceful = true;
        let in_time = tokio::select! {
            exited = tokio::time::timeout(within, self.wait_for_all(&mut graceful)) => exited.is_ok(),
            () = hurry => false,
        };
        if !in_time {
            self.signal(Signal::KILL);
            graceful = false;
            let _ = tokio::time::timeout(KILL_TIMEOUT, self.wait_for_all(&mut graceful)).await;
        }
        graceful
    }

    /// Kills all programs, as a crash would, and waits until they have exited.
    pub async fn kill_all(&mut self) {
        self.signal(Signal::KILL);
        while !self.running.is_empty() {
            self.next_exit().await;
        }
    }

    async fn wait_for_all(&mut self, graceful: &mut bool) {
        while !self.running.is_empty() {
            let exited = self.next_exit().await;
            if !exited.status.success() {
                *graceful = false;
                eprintln!("{} exited with {}", exited.name, exited.status);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        for (name, pid) in &self.running {
            if let Err(error) = kill_process_group(*pid, signal) {
                eprintln!("cannot signal {name}: {error}");
            }
        }
    }
}

impl Drop for Children {
    /// Kills the running programs, for example if a future that owns them is dropped.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn print_lines(name: &'static str, stream: impl AsyncRead + Unpin) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        // Keep the programs running if standard output is closed.
        let _ = writeln!(std::io::stdout().lock(), "[{name}] {}", text.trim_end());
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn start(children: &mut Children, name: &'static str, script: &str) {
        let arguments = ["-c".into(), script.into()];
        children
            .start(name, &PathBuf::from("/bin/sh"), &arguments, &[])
            .unwrap();
    }

    #[tokio::test]
    async fn exited_program_is_named_and_the_others_are_stopped() {
        let mut children = Children::default();
        start(
            &mut children,
            "stays",
            "sleep 60 & trap 'kill $!; exit 0' TERM; wait",
        );
        start(&mut children, "fails", "sleep 0.3; exit 7");
        let exited = children.next_exit().await;
        assert_eq!((exited.name, exited.status.code()), ("fails", Some(7)));
        assert!(
            children
                .stop(Duration::from_secs(10), std::future::pending())
                .await
        );
        assert!(children.running.is_empty());
    }

    #[tokio::test]
    async fn killed_programs_have_exited() {
        let mut children = Children::default();
        start(&mut children, "first", "sleep 60");
        start(&mut children, "second", "trap '' TERM; sleep 60");
        tokio::time::timeout(Duration::from_secs(10), children.kill_all())
            .await
            .unwrap();
        assert!(children.running.is_empty());
    }

    #[tokio::test]
    async fn program_that_ignores_sigterm_is_killed() {
        let mut children = Children::default();
        start(
            &mut children,
            "stubborn",
            "trap '' TERM; while :; do sleep 1; done",
        );
        // Give the shell time to set its trap.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(
            !children
                .stop(Duration::from_millis(200), std::future::pending())
                .await
        );
        assert!(children.running.is_empty());
    }
}
