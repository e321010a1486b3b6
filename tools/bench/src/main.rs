//! The program `bench`, run by `cargo xtask bench`: measures the whole system and the ceilings of the same servers in one run.
//!
//! Throughput counts orders that are settled and durable, not responses, and the audit must be clean after each round. Each
//! run uses its own database, virtual host and files, which are removed at the end. The load generators are third-party
//! programs: wrk and pgbench. Rounds of the service and of its baselines alternate.

mod against;
mod baselines;
mod choices;
mod database;
mod generator;
mod machine;
mod measure;
mod page;
mod pgbench;
mod proc;
mod quantiles;
mod readers;
mod redis_server;
mod report;
mod results;
mod run;
mod schema;
mod stock;
mod system;
mod topics;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum as _};
use dev_env::programs::{self, API, Profile, STANDALONE, WORKER};
use dev_env::services;
use dev_env::stop_signals::StopSignals;
use settings::Settings;
use wiring::program::{ConfigArgs, absolute_path};

use against::{Builds, OtherBuild};
use results::Results;
use run::Run;
use topics::Topic;

/// Benchmark the whole system and the ceilings of its servers, and write a report.
///
/// Writes benchmarks.md and the directory benchmarks with plots and results. Builds the programs first. Installs wrk and
/// redis-server if they are missing (Debian, as root); pgbench is part of PostgreSQL. Uses the PostgreSQL and RabbitMQ in the
/// settings; CPU time per server is measured only if they run on this machine. A full run takes about 45 minutes on an
/// otherwise idle machine, and 8 GB of disk space; with --against about twice as long.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    max_term_width = 100
)]
struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Number of rounds; the report shows the median [default: 3, with --quick 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Duration of each measurement in seconds [default: 10, with --quick 2].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Measure only these topics (comma-separated).
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Topic>,
    /// Build profile of the measured programs; dev is only to check that the benchmark works.
    #[arg(long, value_name = "PROFILE", default_value = "dist")]
    profile: Profile,
    /// Also measure the programs of another build in this directory, alternating with this one's round by round, and report the
    /// ratios. The files may have the names of earlier versions (api, worker, standalone). With that build's own
    /// migrations/postgres in the directory, it runs on these; otherwise on this project's schema.
    #[arg(long, value_name = "DIR", value_parser = absolute_path())]
    against: Option<PathBuf>,
    /// Directory of the report; use docs/reference for the committed report [default: target/bench].
    #[arg(long, value_name = "DIR", value_parser = absolute_path())]
    out: Option<PathBuf>,
    /// Run one short round with less data, to check that the benchmark works.
    #[arg(long)]
    quick: bool,
    /// Write the report from the results of an earlier run, without measuring.
    #[arg(long, value_name = "FILE", value_parser = absolute_path(), conflicts_with_all = ["only", "quick", "rounds", "seconds", "against", "profile"])]
    from: Option<PathBuf>,
}

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: u32,
    seconds: u64,
    /// Orders kept: few and many.
    kept: [u32; 2],
    /// Items streamed: few and many.
    streamed: [u32; 2],
    /// Number of event readers, and number of stuck ones among them.
    readers: [u32; 2],
}

impl Args {
    fn scale(&self) -> Scale {
        let (rounds, seconds, kept, streamed, readers) = if self.quick {
            (1, 2, [1_000, 100_000], [2_000, 50_000], [50, 5])
        } else {
            let kept = [10_000, 10_000_000];
            (3, 10, kept, [10_000, 1_000_000], [2_000, 100])
        };
        Scale {
            rounds: self.rounds.unwrap_or(rounds),
            seconds: self.seconds.unwrap_or(seconds),
            kept,
            streamed,
            readers,
        }
    }

    fn topics(&self) -> Vec<Topic> {
        let topics = Topic::value_variants().iter().copied();
        topics
            .filter(|topic| self.only.is_empty() || self.only.contains(topic))
            .collect()
    }

    /// Returns the command that repeats the measurement.
    fn command_line(&self) -> String {
        let mut line = "cargo xtask bench".to_owned();
        if self.quick {
            line.push_str(" --quick");
        }
        if let Some(rounds) = self.rounds {
            let _ = write!(line, " --rounds {rounds}");
        }
        if let Some(seconds) = self.seconds {
            let _ = write!(line, " --seconds {seconds}");
        }
        if self.profile != Profile::Dist {
            let _ = write!(line, " --profile {}", self.profile.name());
        }
        if self.against.is_some() {
            line.push_str(" --against DIR");
        }
        if !self.only.is_empty() {
            let names: Vec<String> = self.topics().iter().map(Topic::to_string).collect();
            let _ = write!(line, " --only {}", names.join(","));
        }
        line
    }
}

fn main() -> ExitCode {
    wiring::program::run(run)
}

fn run(args: &Args) -> Result<()> {
    let root = workspace::root();
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    let results = match &args.from {
        Some(file) => Results::load(file)?,
        None => measure(args, &args.config.load()?)?,
    };
    let out = args.out.as_deref().unwrap_or(Path::new("target/bench"));
    let file = report::write(&results, out)?;
    println!("report written to {}", file.display());
    Ok(())
}

fn measure(args: &Args, settings: &Settings) -> Result<Results> {
    let find = |dir: &PathBuf| OtherBuild::find(dir, &args.topics());
    let other = args.against.as_ref().map(find).transpose()?;
    generator::ensure_installed()?;
    pgbench::ensure_installed()?;
    redis_server::ensure_installed(&args.topics())?;
    // Each connection of this process and its children needs an open file.
    wiring::raise_open_files_limit();
    services::start(settings)?;
    let programs = programs::build(&[API, WORKER, STANDALONE, "ceilings"], args.profile)?;
    let builds = Builds::new(programs, other);
    let mut run = Run::new(args, settings, builds)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut stop = StopSignals::new()?;
        tokio::select! {
            outcome = run.measure_all() => outcome,
            // Dropping the measurement stops its processes and removes its files and databases.
            () = stop.next() => bail!("interrupted; processes stopped and temporary data removed"),
        }
    })?;
    Ok(run.results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::parse_from(line.split_whitespace())
    }

    #[test]
    fn command_line_repeats_the_given_arguments() {
        let given = args("bench --only zipf,hot --seconds 5 --quick --out docs");
        assert_eq!(
            given.command_line(),
            "cargo xtask bench --quick --seconds 5 --only hot,zipf"
        );
        assert_eq!(given.topics(), [Topic::Hot, Topic::Zipf]);
        assert_eq!((given.scale().rounds, given.scale().seconds), (1, 5));
        let given = args("bench --profile release --against target/old");
        assert_eq!(
            given.command_line(),
            "cargo xtask bench --profile release --against DIR"
        );
        assert!(given.against.unwrap().is_absolute());
        assert_eq!(args("bench").command_line(), "cargo xtask bench");
        assert!(Args::try_parse_from(["bench", "--profile", "fast"]).is_err());
        assert_eq!(args("bench").topics(), Topic::value_variants());
    }
}
