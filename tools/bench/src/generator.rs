//! The load generator: wrk, with `tools/bench/scripts/load.lua`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use dev_env::services::debian;
use hdrhistogram::Histogram;
use serde::Deserialize;
use workspace::process;

use super::measure::as_f64;
use super::quantiles;

const SCRIPT: &str = "tools/bench/scripts/load.lua";
/// Prefix of the result line that the script prints.
const RESULT: &str = "RESULT ";

/// Installs wrk if it is missing and this machine supports it.
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

/// Observation of the status of responses by the client. Each step costs more CPU time of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statuses {
    /// Fail if a response is not 2xx.
    Success = 0,
    /// Count responses by status.
    Counted = 1,
    /// Also measure the time to each 503, by the request id that the service returns.
    Timed = 2,
}

/// A load of requests.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) url: String,
    /// A second server, which receives half of the load.
    pub(super) second: Option<SocketAddr>,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) choices: PathBuf,
    pub(super) connections: u32,
    pub(super) seconds: u64,
    /// Requests per second. If `None`, each connection sends its next request after the last response.
    pub(super) rate_per_s: Option<f64>,
    /// An additional header line.
    pub(super) header: Option<&'static str>,
    pub(super) statuses: Statuses,
}

/// Result of a load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LoadResult {
    pub(super) requests: u64,
    pub(super) duration_us: u64,
    pub(super) not_2xx: u64,
    /// Connections that failed or broke.
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    /// Delay of requests after their scheduled time.
    #[serde(deserialize_with = "quantiles::from_counts")]
    pub(super) late_us: Histogram<u64>,
    /// Times of responses with status 503, if they are measured and the service returns request ids.
    #[serde(deserialize_with = "quantiles::from_counts")]
    pub(super) refused_us: Histogram<u64>,
    /// Responses by status, if they are counted.
    pub(super) statuses: BTreeMap<u16, u64>,
}

impl LoadResult {
    pub(super) fn requests_per_s(&self) -> f64 {
        as_f64(self.requests) * 1e6 / as_f64(self.duration_us)
    }

    /// Returns the numbers of responses with each of two statuses. Fails if there are responses with another status.
    pub(super) fn with_statuses(&self, statuses: [u16; 2]) -> Result<[u64; 2]> {
        let numbers = statuses.map(|status| self.statuses.get(&status).copied().unwrap_or(0));
        ensure!(
            numbers.iter().sum::<u64>() == self.statuses.values().sum::<u64>(),
            "some responses were neither {} nor {}: {:?}",
            statuses[0],
            statuses[1],
            self.statuses
        );
        Ok(numbers)
    }
}

impl Load {
    /// Returns a closed load of orders on a server without settings of the service.
    pub(super) fn of_bare_server(
        server: SocketAddr,
        choices: PathBuf,
        connections: u32,
        seconds: u64,
    ) -> Self {
        Self {
            url: format!("http://{server}"),
            second: None,
            method: "POST",
            path: "/api/v1/order",
            choices,
            connections,
            seconds,
            rate_per_s: None,
            header: None,
            statuses: Statuses::Success,
        }
    }

    fn threads(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One thread sends about 100,000 requests per second; more threads would take cores from the service.
        let enough = u32::try_from(cores / 4)
            .unwrap_or(1)
            .clamp(1, self.connections);
        // Each thread sends to one server.
        enough.next_multiple_of(if self.second.is_some() { 2 } else { 1 })
    }

    fn arguments(&self) -> Vec<String> {
        let rate = self.rate_per_s.unwrap_or(0.0) / f64::from(self.threads());
        let mut arguments = vec![
            format!("-t{}", self.threads()),
            format!("-c{}", self.connections),
            format!("-d{}s", self.seconds),
            "--timeout".to_owned(),
            // Longer than the wait of any request.
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
        arguments.push((self.statuses as u8).to_string());
        arguments.extend(self.second.map(|server| server.to_string()));
        arguments
    }

    /// Returns the command line for the report.
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

    /// Runs the load and returns its result. Fails on a response other than 2xx, unless responses are counted by status.
    pub(super) async fn run(&self) -> Result<LoadResult> {
        let printed = run_to_end("wrk", &self.arguments(), &[]).await?;
        let result = parse(&printed)?;
        ensure!(
            result.failed == 0 && result.timed_out == 0,
            "{} requests failed and {} timed out",
            result.failed,
            result.timed_out
        );
        ensure!(
            self.statuses != Statuses::Success || result.not_2xx == 0,
            "{} of {} requests were refused",
            result.not_2xx,
            result.requests
        );
        Ok(result)
    }
}

fn parse(printed: &str) -> Result<LoadResult> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix(RESULT))
        .with_context(|| format!("wrk printed no result: {printed}"))?;
    serde_json::from_str(line).with_context(|| format!("cannot parse the result of wrk: {line}"))
}

/// Runs a program and returns its standard output. The program is killed if the future is dropped.
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
        // Only this process handles Ctrl-C of the terminal.
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{program} {} failed: {}",
            arguments.join(" "),
            stderr.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_line_is_parsed_from_the_output_of_wrk() {
        let printed = "Running 2s test @ http://127.0.0.1:1\n  16 requests in 2.02s, 44.62KB read\n\
            RESULT {\"requests\":16,\"duration_us\":2022077,\"not_2xx\":3,\"failed\":0,\"timed_out\":0,\
            \"p50_us\":852,\"p90_us\":4825,\"p99_us\":10187,\"max_us\":45698,\
            \"late_us\":{\"0\":13,\"9680\":1,\"480\":2},\"refused_us\":{\"700\":3},\"statuses\":{\"202\":13,\"503\":3}}\n";
        let result = parse(printed).unwrap();
        assert_eq!((result.requests, result.not_2xx), (16, 3));
        assert_eq!((result.p99_us, result.max_us), (10_187, 45_698));
        let late_us = |share| result.late_us.value_at_quantile(share);
        assert_eq!((late_us(0.5), late_us(1.0)), (0, 9680));
        assert_eq!(result.refused_us.value_at_quantile(0.99), 700);
        assert_eq!(result.statuses, BTreeMap::from([(202, 13), (503, 3)]));
        assert!(parse("Running 2s test\n").is_err());
        assert!(parse("RESULT {}\n").is_err());
    }

    #[tokio::test]
    async fn script_runs_in_wrk_and_an_unreachable_server_is_an_error() {
        ensure_installed().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        crate::choices::Spread::Hot.write(file.path()).unwrap();
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
            statuses: Statuses::Timed,
        };
        std::env::set_current_dir(workspace::root()).unwrap();
        assert!(load.run().await.is_err());
        assert!(
            load.command_line().starts_with("wrk -t1 -c1 -d1s"),
            "{}",
            load.command_line()
        );
        assert!(load.command_line().contains(" -H 'Prefer: wait=30' URL "));
    }
}
