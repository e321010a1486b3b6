//! One measurement of the service: a load, until what came of it is settled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::database::{Database, Settlement};
use super::generator::{Answered, Load};
use super::page;
use super::proc::Stages;
use super::system::{Place, System};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A service that takes longer to settle what it took has lost something.
const SETTLED_WITHIN: Duration = Duration::from_mins(2);

/// What came of a load.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) answered: Answered,
    /// Orders that were accepted and are settled.
    pub(super) settled: u64,
    /// From the start of the load generator until the last of them was.
    took: Duration,
    cpu_us: BTreeMap<&'static str, u64>,
    /// None for a data file.
    pub(super) settlement: Option<Settlement>,
}

impl Measured {
    pub(super) fn settled_per_s(&self) -> f64 {
        as_f64(self.settled) / self.took.as_secs_f64()
    }

    /// CPU time of each stage, in µs for each settled order.
    pub(super) fn cpu_us_per_order(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let settled = as_f64(self.settled.max(1));
        self.cpu_us
            .iter()
            .map(move |(name, us)| (*name, as_f64(*us) / settled))
    }
}

/// Sends the load and waits until everything accepted is settled.
///
/// On servers the settled orders are counted in the database. In a data file they are those that were answered with 2xx,
/// once none is `PENDING`: an order whose answer was still under way at the end is settled too, but not counted.
pub(super) async fn measure(system: &System, load: &Load) -> Result<Measured> {
    let look = match &system.place {
        Place::Servers(servers) => Some(servers.look().await?),
        Place::File(_) => None,
    };
    let (before, backend) = match &look {
        Some(look) => (look.newest_order().await?, Some(look.backend().await?)),
        None => (0, None),
    };
    let stages = Stages::new(system.processes.clone(), backend);
    let cpu_before = stages.cpu_us();
    let began = Instant::now();
    let answered = load.run().await?;
    until_settled(system, look.as_ref(), before).await?;
    let took = began.elapsed();
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
    let accepted = answered.requests - answered.not_2xx;
    let (settled, settlement) = match &look {
        Some(look) => {
            let settled = u64::try_from(look.settled_after(before).await?)?;
            (settled, Some(look.settlement_after(before).await?))
        }
        None => (accepted, None),
    };
    ensure!(
        settled >= accepted,
        "{accepted} orders were accepted and {settled} are settled"
    );
    Ok(Measured {
        answered,
        settled,
        took,
        cpu_us,
        settlement,
    })
}

async fn until_settled(system: &System, look: Option<&Database>, after: i64) -> Result<()> {
    let wait = async {
        loop {
            let settled = match look {
                Some(look) => look.pending_after(after).await? == 0,
                None => page::all_settled(system.api).await?,
            };
            if settled {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(SETTLED_WITHIN, wait).await {
        Ok(settled) => settled.context("cannot see what is settled"),
        Err(_) => bail!(
            "orders are still PENDING after {} s",
            SETTLED_WITHIN.as_secs()
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
