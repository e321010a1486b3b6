//! One measurement of the service: runs a load and waits until its orders are settled.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::database::{Database, Settlement};
use super::generator::{Load, LoadResult};
use super::page;
use super::proc::{CLIENT, SERVERS, Stages};
use super::schema::DataFile;
use super::system::{Storage, System};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time until all accepted orders are settled. Beyond it, an order is considered lost.
const SETTLEMENT_TIMEOUT: Duration = Duration::from_mins(2);

/// Result of a measurement.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) load_result: LoadResult,
    /// Number of settled orders.
    pub(super) settled: u64,
    /// Time from the start of the load generator until the last order was settled.
    elapsed: Duration,
    cpu_us: BTreeMap<&'static str, u64>,
    pub(super) settlement: Settlement,
    /// Whether all processes run on this machine, so that their CPU time is known.
    is_cpu_complete: bool,
}

impl Measured {
    pub(super) fn settled_per_s(&self) -> f64 {
        as_f64(self.settled) / self.elapsed.as_secs_f64()
    }

    /// Returns the CPU time of all processes, if it is known.
    pub(super) fn cpu(&self) -> Option<CpuTime> {
        self.is_cpu_complete
            .then(|| CpuTime::new(&self.cpu_us, self.settled))
    }

    /// Returns the CPU time of each stage, in µs per settled order.
    pub(super) fn cpu_us_per_order(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let settled = as_f64(self.settled.max(1));
        self.cpu_us
            .iter()
            .map(move |(name, us)| (*name, as_f64(*us) / settled))
    }
}

/// CPU time of all processes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CpuTime {
    /// µs per settled order, with the load generator's.
    pub(super) us_per_order: f64,
    /// Share of the load generator.
    pub(super) client_share: f64,
    /// Settled orders per CPU second of the other processes.
    pub(super) settled_per_cpu_s: f64,
}

impl CpuTime {
    fn new(cpu_us: &BTreeMap<&'static str, u64>, settled: u64) -> Self {
        let all = as_f64(cpu_us.values().sum::<u64>().max(1));
        let client = as_f64(cpu_us.get(CLIENT).copied().unwrap_or_default());
        let settled = as_f64(settled.max(1));
        Self {
            us_per_order: all / settled,
            client_share: client / all,
            settled_per_cpu_s: settled * 1e6 / (all - client).max(1.0),
        }
    }
}

/// Runs the load and waits until all accepted orders are settled.
///
/// On servers, settled orders are counted in the database. With a data file, the 2xx responses are counted once no order is
/// `PENDING`; an order whose response did not arrive before the end of the load is settled but not counted.
pub(super) async fn measure(system: &System, load: &Load) -> Result<Measured> {
    let rows = Rows::open(system).await?;
    let before = rows.newest_order().await?;
    let backend = match &rows {
        Rows::Database(database) => Some(database.backend().await?),
        Rows::File(_) => None,
    };
    let stages = Stages::new(system.processes.clone(), backend);
    let cpu_before = stages.cpu_us();
    let started = Instant::now();
    let load_result = load.run().await?;
    wait_for_rows(system, &rows, before).await?;
    let elapsed = started.elapsed();
    let cpu_us: BTreeMap<_, _> = stages
        .cpu_us()
        .into_iter()
        .map(|(name, us)| {
            (
                name,
                us.saturating_sub(cpu_before.get(name).copied().unwrap_or(us)),
            )
        })
        .collect();
    let accepted = load_result.requests - load_result.not_2xx;
    let (settled, is_cpu_complete) = match &rows {
        Rows::Database(database) => (
            u64::try_from(database.settled_after(before).await?)?,
            SERVERS.iter().all(|name| cpu_us.contains_key(name)),
        ),
        Rows::File(_) => (accepted, true),
    };
    ensure!(
        settled >= accepted,
        "{accepted} orders were accepted, but only {settled} are settled"
    );
    Ok(Measured {
        load_result,
        settled,
        elapsed,
        is_cpu_complete,
        cpu_us,
        settlement: rows.settlement_after(before).await?,
    })
}

/// The orders of a system, read without the service.
enum Rows<'a> {
    Database(Database),
    /// Opened for each query.
    File(&'a Path),
}

impl<'a> Rows<'a> {
    async fn open(system: &'a System) -> Result<Self> {
        Ok(match &system.storage {
            Storage::Servers(servers) => Self::Database(servers.database().await?),
            Storage::File(file) => Self::File(file),
        })
    }

    async fn newest_order(&self) -> Result<i64> {
        match self {
            Self::Database(database) => database.newest_order().await,
            Self::File(file) => DataFile::open(file)?.newest_order(),
        }
    }

    async fn settlement_after(&self, order: i64) -> Result<Settlement> {
        match self {
            Self::Database(database) => database.settlement_after(order).await,
            Self::File(file) => DataFile::open(file)?.settlement_after(order),
        }
    }
}

/// Waits until all orders after this one are settled.
pub(super) async fn wait_until_settled(system: &System, after: i64) -> Result<()> {
    let rows = Rows::open(system).await?;
    wait_for_rows(system, &rows, after).await
}

async fn wait_for_rows(system: &System, rows: &Rows<'_>, after: i64) -> Result<()> {
    let api = system.client()?;
    let wait = async {
        loop {
            let settled = match rows {
                Rows::Database(database) => database.pending_after(after).await? == 0,
                Rows::File(_) => page::all_settled(&api).await?,
            };
            if settled {
                return anyhow::Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    match tokio::time::timeout(SETTLEMENT_TIMEOUT, wait).await {
        Ok(settled) => settled.context("cannot count settled orders"),
        Err(_) => bail!(
            "orders are still PENDING after {} s",
            SETTLEMENT_TIMEOUT.as_secs()
        ),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts and times of one run are far below 2^52"
)]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_the_load_generator_is_counted_apart() {
        let cpu_us = BTreeMap::from([
            (CLIENT, 1_000_000),
            ("api", 2_000_000),
            ("worker", 1_000_000),
        ]);
        let cpu = CpuTime::new(&cpu_us, 60_000);
        assert!((cpu.us_per_order - 4_000_000.0 / 60_000.0).abs() < 1e-9);
        assert!((cpu.client_share - 0.25).abs() < 1e-9);
        assert!((cpu.settled_per_cpu_s - 20_000.0).abs() < 1e-9);
    }
}
