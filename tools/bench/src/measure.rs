//! One measurement of the service: runs a load and waits until its orders are settled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::database::{Database, Settlement};
use super::generator::{Load, LoadResult};
use super::page;
use super::proc::Stages;
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
    /// Settlement times; `None` for a data file.
    pub(super) settlement: Option<Settlement>,
}

impl Measured {
    pub(super) fn settled_per_s(&self) -> f64 {
        as_f64(self.settled) / self.elapsed.as_secs_f64()
    }

    /// Returns the CPU time of each stage, in µs per settled order.
    pub(super) fn cpu_us_per_order(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let settled = as_f64(self.settled.max(1));
        self.cpu_us
            .iter()
            .map(move |(name, us)| (*name, as_f64(*us) / settled))
    }
}

/// Runs the load and waits until all accepted orders are settled.
///
/// On servers, settled orders are counted in the database. With a data file, the 2xx responses are counted once no order is
/// `PENDING`; an order whose response did not arrive before the end of the load is settled but not counted.
pub(super) async fn measure(system: &System, load: &Load) -> Result<Measured> {
    let database = match &system.storage {
        Storage::Servers(servers) => Some(servers.database().await?),
        Storage::File(_) => None,
    };
    let (before, backend) = match &database {
        Some(database) => (
            database.newest_order().await?,
            Some(database.backend().await?),
        ),
        None => (0, None),
    };
    let stages = Stages::new(system.processes.clone(), backend);
    let cpu_before = stages.cpu_us();
    let started = Instant::now();
    let load_result = load.run().await?;
    wait_until_settled(system, database.as_ref(), before).await?;
    let elapsed = started.elapsed();
    let cpu_us = stages
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
    let (settled, settlement) = match &database {
        Some(database) => {
            let settled = u64::try_from(database.settled_after(before).await?)?;
            (settled, Some(database.settlement_after(before).await?))
        }
        None => (accepted, None),
    };
    ensure!(
        settled >= accepted,
        "{accepted} orders were accepted, but only {settled} are settled"
    );
    Ok(Measured {
        load_result,
        settled,
        elapsed,
        cpu_us,
        settlement,
    })
}

async fn wait_until_settled(
    system: &System,
    database: Option<&Database>,
    after: i64,
) -> Result<()> {
    let api = system.client()?;
    let wait = async {
        loop {
            let settled = match database {
                Some(database) => database.pending_after(after).await? == 0,
                None => page::all_settled(&api).await?,
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
