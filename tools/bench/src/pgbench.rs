//! PostgreSQL's benchmark program, with scripts from `tools/bench/scripts`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use workspace::process;

use super::generator::run_to_end;
use super::measure::as_f64;
use super::quantiles::histogram;

/// A run of pgbench.
#[derive(Debug, Clone)]
pub(super) struct Pgbench {
    /// Name of the script.
    pub(super) script: &'static str,
    pub(super) products: u32,
    pub(super) clients: u32,
    pub(super) seconds: u64,
}

/// Latencies of transactions that were started at a fixed rate.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_field_names, reason = "the name includes the unit")]
pub(super) struct RateLatencies {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Delay after the scheduled start.
    pub(super) late_p99_ms: f64,
}

/// Fails if pgbench is missing.
pub(super) fn ensure_installed() -> Result<()> {
    ensure!(
        process::find("pgbench").is_some(),
        "pgbench is not installed: install the PostgreSQL server (Debian: apt-get install postgresql)"
    );
    Ok(())
}

impl Pgbench {
    fn arguments(&self) -> Vec<String> {
        let jobs = self.clients.min(2);
        [
            "-n".to_owned(),
            "-Mprepared".to_owned(),
            format!("-c{}", self.clients),
            format!("-j{jobs}"),
            format!("-T{}", self.seconds),
            format!("-Dproducts={}", self.products),
            format!("-ftools/bench/scripts/{}.sql", self.script),
        ]
        .into()
    }

    /// Returns the command line for the report.
    pub(super) fn command_line(&self) -> String {
        format!("pgbench {}", self.arguments().join(" "))
    }

    /// Runs at the maximum rate. Returns transactions per second.
    pub(super) async fn run(&self, variables: &[(&'static str, String)]) -> Result<f64> {
        transactions_per_s(&run_to_end("pgbench", &self.arguments(), variables).await?)
    }

    /// Starts transactions at a fixed rate at random times. `dir` is the parent directory of the log.
    pub(super) async fn run_at_rate(
        &self,
        rate_per_s: f64,
        dir: &Path,
        variables: &[(&'static str, String)],
    ) -> Result<RateLatencies> {
        let dir = tempfile::tempdir_in(dir)?;
        let mut arguments = self.arguments();
        arguments.push(format!("--rate={rate_per_s:.0}"));
        arguments.push("--log".to_owned());
        arguments.push(format!("--log-prefix={}", dir.path().join("log").display()));
        run_to_end("pgbench", &arguments, variables).await?;
        let mut log = String::new();
        for file in std::fs::read_dir(dir.path())? {
            log.push_str(&std::fs::read_to_string(file?.path())?);
        }
        latencies(&log)
    }
}

fn transactions_per_s(printed: &str) -> Result<f64> {
    printed
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("pgbench printed no tps: {printed}"))
}

/// Parses the log of a run at a fixed rate. Its columns are client, number, latency from the scheduled start in µs, script,
/// seconds, µs, and the delay after the scheduled start in µs. The returned latencies are measured from the actual start, as
/// for requests.
fn latencies(log: &str) -> Result<RateLatencies> {
    let (mut latency_us, mut late_us) = (histogram()?, histogram()?);
    for line in log.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, _, latency, _, _, _, lag, ..] = columns[..] else {
            anyhow::bail!("cannot parse a line of pgbench's log: {line}");
        };
        let Ok(latency) = latency.parse::<u64>() else {
            // The latency is "skipped" or "failed".
            continue;
        };
        let lag: u64 = lag.parse().with_context(|| format!("in {line}"))?;
        latency_us.record(latency.saturating_sub(lag))?;
        late_us.record(lag)?;
    }
    ensure!(!latency_us.is_empty(), "the log of pgbench is empty");
    let ms =
        |histogram: &Histogram<u64>, share| as_f64(histogram.value_at_quantile(share)) / 1000.0;
    Ok(RateLatencies {
        p50_ms: ms(&latency_us, 0.5),
        p99_ms: ms(&latency_us, 0.99),
        late_p99_ms: ms(&late_us, 0.99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_excludes_the_connection_time() {
        let printed = "number of failed transactions: 0 (0.000%)\nlatency average = 0.4 ms\n\
                       initial connection time = 12.1 ms\ntps = 2210.375 (without initial connection time)\n";
        assert!((transactions_per_s(printed).unwrap() - 2210.375).abs() < 1e-9);
        assert!(transactions_per_s("no such thing").is_err());
    }

    #[test]
    fn latencies_are_measured_from_the_actual_start() {
        let log = "0 1 1500 0 1700000000 10 500\n1 1 4000 0 1700000000 20 1000\n0 2 2000 0 1700000000 30 0\n";
        let at = latencies(log).unwrap();
        assert_eq!(
            at,
            RateLatencies {
                p50_ms: 2.0,
                p99_ms: 3.0,
                late_p99_ms: 1.0
            }
        );
        assert!(latencies("").is_err());
        assert!(latencies("0 1 1500\n").is_err());
    }
}
