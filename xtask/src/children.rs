//! Programs that run beside each other, with their output in one place, and that end together.

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

/// How long a program may take until it can do its work.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How long programs may take to end by themselves.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

/// How long a program that was killed may take to be gone.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: &'static str,
    pub(crate) status: ExitStatus,
}

/// Programs under way.
#[derive(Debug)]
pub(crate) struct Children {
    running: Vec<(&'static str, Pid)>,
    ends_tx: mpsc::UnboundedSender<Ended>,
    ends_rx: mpsc::UnboundedReceiver<Ended>,
}

impl Children {
    pub(crate) fn new() -> Self {
        let (ends_tx, ends_rx) = mpsc::unbounded_channel();
        Self {
            running: Vec::new(),
            ends_tx,
            ends_rx,
        }
    }

    /// Starts a program, with these variables beside our own environment; each line that it prints is printed after its
    /// name. Returns its process id.
    pub(crate) fn start(
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
            // A group of its own: the terminal's Ctrl-C is for us alone, who then stop everything in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .with_context(|| format!("{name} ended at once"))?;
        self.running.push((name, pid));
        let out = child
            .stdout
            .take()
            .map(|out| tokio::spawn(print_lines(name, out)));
        let err = child
            .stderr
            .take()
            .map(|err| tokio::spawn(print_lines(name, err)));
        let ends = self.ends_tx.clone();
        tokio::spawn(async move {
            let status = child.wait().await;
            // Its last words come before the word that it has ended.
            for printing in [out, err].into_iter().flatten() {
                let _ = tokio::time::timeout(Duration::from_secs(1), printing).await;
            }
            if let Ok(status) = status {
                let _ = ends.send(Ended { name, status });
            }
        });
        Ok(pid.as_raw_nonzero().get())
    }

    /// Waits for the next program to end.
    pub(crate) async fn next_end(&mut self) -> Ended {
        match self.ends_rx.recv().await {
            Some(ended) => {
                self.running.retain(|(name, _)| *name != ended.name);
                ended
            }
            // Not possible: this holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Waits until a server among the programs is ready; fails if a program ends.
    pub(crate) async fn until_ready(&mut self, server: SocketAddr) -> Result<()> {
        let url = endpoints::http_url(server);
        tokio::select! {
            ended = self.next_end() => bail!("{} ended with {}: see what it says above", ended.name, ended.status),
            ready = tokio::time::timeout(READY_WITHIN, endpoints::wait_until_ready(&url)) =>
                ready.with_context(|| format!("not ready after {} s", READY_WITHIN.as_secs()))?,
        }
    }

    /// Ends all programs; fails if one does not end as it should.
    pub(crate) async fn end(mut self) -> Result<()> {
        let well = self.stop(ENDED_WITHIN, std::future::pending()).await;
        ensure!(well, "not every program ended in good order");
        Ok(())
    }

    /// Asks all programs to end, and kills those that have not within the time or when `hurry` is ready. Returns whether
    /// all of them ended well without being killed.
    pub(crate) async fn stop(&mut self, within: Duration, hurry: impl Future<Output = ()>) -> bool {
        self.signal(Signal::TERM);
        let mut well = true;
        let asked = tokio::select! {
            asked = tokio::time::timeout(within, self.all_ended(&mut well)) => asked.is_ok(),
            () = hurry => false,
        };
        if !asked {
            self.signal(Signal::KILL);
            well = false;
            let _ = tokio::time::timeout(KILLED_WITHIN, self.all_ended(&mut well)).await;
        }
        well
    }

    async fn all_ended(&mut self, well: &mut bool) {
        while !self.running.is_empty() {
            let ended = self.next_end().await;
            if !ended.status.success() {
                *well = false;
                eprintln!("{} ended with {}", ended.name, ended.status);
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
    /// Kills what still runs: for a future with programs that is given up half way.
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
        // A reader of our output that went away is no reason to stop the programs.
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
    async fn says_which_program_ended_and_stops_the_others() {
        let mut children = Children::new();
        start(
            &mut children,
            "stays",
            "sleep 60 & trap 'kill $!; exit 0' TERM; wait",
        );
        start(&mut children, "fails", "sleep 0.3; exit 7");
        let ended = children.next_end().await;
        assert_eq!((ended.name, ended.status.code()), ("fails", Some(7)));
        assert!(
            children
                .stop(Duration::from_secs(10), std::future::pending())
                .await
        );
        assert!(children.running.is_empty());
    }

    #[tokio::test]
    async fn kills_what_does_not_end() {
        let mut children = Children::new();
        start(
            &mut children,
            "stubborn",
            "trap '' TERM; while :; do sleep 1; done",
        );
        // Time for the shell to set its trap.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(
            !children
                .stop(Duration::from_millis(200), std::future::pending())
                .await
        );
        assert!(children.running.is_empty());
    }
}
