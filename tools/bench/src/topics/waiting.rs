//! Orders whose response waits for settlement, compared to the same orders without the wait.

use anyhow::{Context, Result};

use super::open;
use crate::against::alternate;
use crate::choices::Spread;
use crate::generator::Statuses;
use crate::measure::as_f64;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::System;

pub(crate) const TOPIC: &str = "waiting";
pub(crate) const TWO_APIS: &str = "two APIs, one worker";
pub(crate) const EMBEDDED: &str = "standalone";
/// Name of a load without the wait at half of the best throughput.
pub(crate) const HALF: &str = "no wait, half of the best";
/// One connection uses the first API only.
const CONNECTIONS: [u32; 2] = [1, TYPICAL_CONNECTIONS];

/// Whether the response waits for settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Settled,
    Accepted,
}

impl ResponseMode {
    pub(crate) const BOTH: [Self; 2] = [Self::Settled, Self::Accepted];

    /// Returns the name of the results of a deployment with this mode.
    pub(crate) fn of(self, deployment: &str) -> String {
        match self {
            Self::Settled => format!("{deployment}: wait=10"),
            Self::Accepted => format!("{deployment}: no wait"),
        }
    }
}

/// Measures both modes alternately, on systems that run at the same time.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let (mut two_apis, mut embedded) = (Vec::new(), Vec::new());
    for build in run.builds.in_round(0) {
        let servers = run.create_servers(build).await?;
        let mut system = System::start(&run.builds, build, servers, "").await?;
        system.start_second_api(&run.builds).await?;
        two_apis.push(system);
        embedded.push(System::start_embedded(&run.builds, build, &run.settings).await?);
    }
    let deployments = [(TWO_APIS, two_apis), (EMBEDDED, embedded)];
    for system in deployments.iter().flat_map(|(_, systems)| systems) {
        run.warm_up(system).await?;
    }
    for round in 0..run.scale.rounds {
        for (deployment, systems) in &deployments {
            for connections in CONNECTIONS {
                for mode in ResponseMode::BOTH {
                    for system in alternate(systems, round) {
                        measure(run, system, deployment, mode, connections).await?;
                    }
                }
            }
            half(run, systems, deployment, round).await?;
            for system in systems {
                run.audit(system).await?;
            }
        }
    }
    for system in deployments.into_iter().flat_map(|(_, systems)| systems) {
        system.stop().await?;
    }
    Ok(())
}

async fn measure(
    run: &mut Run,
    system: &System,
    deployment: &str,
    mode: ResponseMode,
    connections: u32,
) -> Result<()> {
    let mut load = run.orders(system, Spread::Hot, connections);
    load.statuses = Statuses::Counted;
    if connections == 1 {
        load.second = None;
    }
    if mode == ResponseMode::Settled {
        load.header = Some("Prefer: wait=10");
    }
    let (what, at) = (mode.of(deployment), f64::from(connections));
    let measured = run.measure(system, TOPIC, &what, at, &load).await?;
    let load_result = &measured.load_result;
    let [settled, accepted] = load_result.with_statuses([201, 202])?;
    let seconds = as_f64(load_result.duration_us) / 1e6;
    let per_s = as_f64(settled + accepted) / seconds;
    let topic = system.build.topic(TOPIC);
    run.results.add(&topic, &what, at, "answered_per_s", per_s);
    if mode == ResponseMode::Settled {
        let late = as_f64(accepted);
        run.results.add(&topic, &what, at, "not_settled", late);
    }
    Ok(())
}

/// Measures orders without the wait at half of the best throughput, of the slower build if there are two. The best is measured
/// first in each round.
async fn half(run: &mut Run, systems: &[System], deployment: &str, round: u32) -> Result<()> {
    let mode = ResponseMode::Accepted;
    for system in alternate(systems, round) {
        measure(run, system, deployment, mode, open::CONNECTIONS).await?;
    }
    let best = systems.iter().filter_map(|system| {
        let topic = system.build.topic(TOPIC);
        run.results
            .best(&topic, &mode.of(deployment), "settled_per_s")
    });
    let best = best.reduce(f64::min);
    let best = best.context("no results without the wait")?;
    let what = format!("{deployment}: {HALF}");
    for system in alternate(systems, round) {
        let mut load = run.orders(system, Spread::Hot, open::CONNECTIONS);
        load.rate_per_s = Some(best / 2.0);
        run.measure(system, TOPIC, &what, 0.5, &load).await?;
    }
    Ok(())
}
