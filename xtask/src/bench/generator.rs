//! The load generator, which is not ours: wrk, with `xtask/bench/load.lua`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::quantiles::Counts;
use crate::process;
use crate::services::debian;

const SCRIPT: &str = "xtask/bench/load.lua";
/// What the script puts before its result.
const RESULT: &str = "RESULT ";

/// Installs wrk if it is missing and can be installed.
pub(super) fn ensure_installed() -> Result<()> {
    if process::find("wrk").is_none() && debian::can_install() {
        debian::install_tool("wrk")?;
    }
    ensure!(
        process::find("wrk").is_some(),
        "wrk is not installed: install it (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)"
    );
    Ok(())
}

/// Requests to send.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) url: String,
    /// Another server, which gets half of it.
    pub(super) second: Option<SocketAddr>,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) choices: PathBuf,
    pub(super) connections: u32,
    pub(super) seconds: u64,
    /// None: each connection sends the next request when the last is answered.
    pub(super) rate_per_s: Option<f64>,
    /// A header, as it is written.
    pub(super) header: Option<&'static str>,
    /// Whether answers are counted by status, which costs the client time.
    pub(super) by_status: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Answered {
    pub(super) requests: u64,
    pub(super) duration_us: u64,
    pub(super) not_2xx: u64,
    /// Connections that could not be made or broke.
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    /// How much later than planned requests were sent.
    pub(super) late_us: Counts,
    /// Answers by status, if they were counted.
    pub(super) statuses: Counts,
}

impl Load {
    fn threads(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One sends some 100,000 requests a second; more would take cores from the service.
        let enough = u32::try_from(cores / 4)
            .unwrap_or(1)
            .clamp(1, self.connections);
        // A thread sends to one server.
        enough.next_multiple_of(if self.second.is_some() { 2 } else { 1 })
    }

    fn arguments(&self) -> Vec<String> {
        let rate = self.rate_per_s.unwrap_or(0.0) / f64::from(self.threads());
        let mut arguments = vec![
            format!("-t{}", self.threads()),
            format!("-c{}", self.connections),
            format!("-d{}s", self.seconds),
            "--timeout".to_owned(),
            // Longer than any order is waited for.
            "60s".to_owned(),
            "-s".to_owned(),
            SCRIPT.to_owned(),
        ];
        if let Some(header) = self.header {
            arguments.extend(["-H".to_owned(), header.to_owned()]);
        }
        arguments.extend([self.url.as_str(), "--", self.method, self.path].map(str::to_owned));
        arguments.push(self.choices.display().to_string());
        arguments.push(format!("{rate:.1}"));
        arguments.push(u8::from(self.by_status).to_string());
        arguments.extend(self.second.map(|server| server.to_string()));
        arguments
    }

    /// The command, as one would type it.
    pub(super) fn command_line(&self) -> String {
        let file = Path::new(self.choices.file_name().unwrap_or_default());
        let arguments = Self {
            url: "URL".to_owned(),
            choices: file.to_owned(),
            ..self.clone()
        };
        let quoted = |argument: String| {
            if argument.contains(' ') {
                format!("'{argument}'")
            } else {
                argument
            }
        };
        let arguments = arguments.arguments().into_iter().map(quoted);
        format!("wrk {}", arguments.collect::<Vec<_>>().join(" "))
    }

    /// Sends the requests for the time, and returns what came back. Any answer but 2xx is an error, unless answers are
    /// counted by status.
    pub(super) async fn run(&self) -> Result<Answered> {
        let printed = run_to_end("wrk", &self.arguments(), &[]).await?;
        let answered = parse(&printed)?;
        ensure!(
            answered.failed == 0 && answered.timed_out == 0,
            "{} requests broke and {} had no answer in time",
            answered.failed,
            answered.timed_out
        );
        ensure!(
            self.by_status || answered.not_2xx == 0,
            "{} of {} requests were refused",
            answered.not_2xx,
            answered.requests
        );
        Ok(answered)
    }
}

fn parse(printed: &str) -> Result<Answered> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix(RESULT))
        .with_context(|| format!("wrk printed no result: {printed}"))?;
    serde_json::from_str(line).with_context(|| format!("wrk's result cannot be read: {line}"))
}

/// Runs a program that is killed if this is given up, and returns what it prints.
pub(super) async fn run_to_end(
    program: &str,
    arguments: &[String],
    variables: &[(&'static str, String)],
) -> Result<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let output = tokio::process::Command::from(command)
        // The terminal's Ctrl-C is for us alone.
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found_among_what_wrk_prints() {
        let printed = "Running 2s test @ http://127.0.0.1:1\n  16 requests in 2.02s, 44.62KB read\n\
            RESULT {\"requests\":16,\"duration_us\":2022077,\"not_2xx\":3,\"failed\":0,\"timed_out\":0,\
            \"p50_us\":852,\"p90_us\":4825,\"p99_us\":10187,\"max_us\":45698,\
            \"late_us\":{\"0\":13,\"9680\":1,\"480\":2},\"statuses\":{\"202\":13,\"503\":3}}\n";
        let answered = parse(printed).unwrap();
        assert_eq!((answered.requests, answered.not_2xx), (16, 3));
        assert_eq!((answered.p99_us, answered.max_us), (10_187, 45_698));
        assert_eq!(
            (
                answered.late_us.quantile(0.5),
                answered.late_us.quantile(1.0)
            ),
            (0, 9680)
        );
        assert_eq!(
            (answered.statuses.of(202), answered.statuses.of(503)),
            (13, 3)
        );
        assert!(parse("Running 2s test\n").is_err());
        assert!(parse("RESULT {}\n").is_err());
    }

    #[tokio::test]
    async fn the_script_runs_in_wrk_and_tells_of_what_cannot_be_reached() {
        ensure_installed().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        super::super::choices::Spread::Hot
            .write(file.path())
            .unwrap();
        let load = Load {
            url: "http://127.0.0.1:1".to_owned(),
            second: None,
            method: "POST",
            path: "/api/v1/order",
            choices: file.path().to_owned(),
            connections: 1,
            seconds: 1,
            rate_per_s: Some(10.0),
            header: Some("Prefer: wait=30"),
            by_status: false,
        };
        std::env::set_current_dir(crate::workspace::root()).unwrap();
        assert!(load.run().await.is_err());
        assert!(
            load.command_line().starts_with("wrk -t1 -c1 -d1s"),
            "{}",
            load.command_line()
        );
        assert!(load.command_line().contains(" -H 'Prefer: wait=30' URL "));
    }
}
