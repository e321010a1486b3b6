//! Orders whose response waits for settlement, compared to the same orders without the wait.

use anyhow::Result;

use crate::choices::Spread;
use crate::measure::as_f64;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::System;

pub(crate) const TOPIC: &str = "waiting";
pub(crate) const TWO_APIS: &str = "two APIs, one worker";
pub(crate) const EMBEDDED: &str = "standalone";

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
            Self::Settled => format!("{deployment}: wait=30"),
            Self::Accepted => format!("{deployment}: no wait"),
        }
    }
}

/// Measures both modes alternately, on systems that run at the same time.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let servers = run.create_servers().await?;
    let mut two_apis = System::start(&run.programs, servers, "").await?;
    two_apis.start_second_api(&run.programs).await?;
    let embedded = System::start_embedded(&run.programs, &run.settings).await?;
    let systems = [(TWO_APIS, two_apis), (EMBEDDED, embedded)];
    for (_, system) in &systems {
        run.warm_up(system).await?;
    }
    for _ in 0..run.scale.rounds {
        for (deployment, system) in &systems {
            for mode in ResponseMode::BOTH {
                measure(run, system, deployment, mode).await?;
            }
            run.audit(system).await?;
        }
    }
    for (_, system) in systems {
        system.stop().await?;
    }
    Ok(())
}

async fn measure(
    run: &mut Run,
    system: &System,
    deployment: &str,
    mode: ResponseMode,
) -> Result<()> {
    let mut load = run.orders(system, Spread::Hot, TYPICAL_CONNECTIONS);
    load.by_status = true;
    if mode == ResponseMode::Settled {
        load.header = Some("Prefer: wait=30");
    }
    let (what, at) = (mode.of(deployment), f64::from(TYPICAL_CONNECTIONS));
    let measured = run.measure(system, TOPIC, &what, at, &load).await?;
    let load_result = &measured.load_result;
    let [settled, accepted] = load_result.with_statuses([201, 202])?;
    let seconds = as_f64(load_result.duration_us) / 1e6;
    let per_s = as_f64(settled + accepted) / seconds;
    run.results.add(TOPIC, &what, at, "answered_per_s", per_s);
    if mode == ResponseMode::Settled {
        let late = as_f64(accepted);
        run.results.add(TOPIC, &what, at, "not_settled", late);
    }
    Ok(())
}
