//! Overload: orders are sent at twice the maximum rate of the service.

use anyhow::{Result, ensure};

use super::open;
use crate::choices::Spread;
use crate::measure::as_f64;
use crate::proc;
use crate::results::SERVICE;
use crate::run::Run;

pub(crate) const TOPIC: &str = "overload";
/// Factor of the duration: memory needs time to grow.
const DURATION_FACTOR: u64 = 6;
/// Maximum number of queued orders. Lower than the default, so that the connections can exceed it.
const SETTINGS: &str = "[api]\nwrite_queue_size = 1000\n";
const CONNECTIONS: u32 = 2_000;

/// Measures accepted and refused requests and the memory of each process.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    for _ in 0..run.scale.rounds {
        let system = run.start_system(SETTINGS).await?;
        let best = open::best(run, &system).await?;
        let mut load = run.orders(&system, Spread::Hot, CONNECTIONS);
        load.seconds *= DURATION_FACTOR;
        load.rate_per_s = Some(best * 2.0);
        load.by_status = true;
        let measured = run.measure(&system, TOPIC, SERVICE, 2.0, &load).await?;
        let statuses = &measured.load_result.statuses;
        let (accepted, refused) = (statuses.of(202), statuses.of(503));
        ensure!(
            accepted + refused == statuses.total(),
            "some responses were neither 202 nor 503: {statuses:?}"
        );
        let results = &mut run.results;
        let share = as_f64(refused) / as_f64(statuses.total().max(1));
        results.add(TOPIC, SERVICE, 2.0, "refused_share", share);
        let per_s = as_f64(statuses.total()) / (as_f64(measured.load_result.duration_us) / 1e6);
        results.add(TOPIC, SERVICE, 2.0, "answered_per_s", per_s);
        results.add(TOPIC, SERVICE, 2.0, "offered_per_s", best * 2.0);
        let late_us = measured.load_result.late_us.quantile(0.99);
        results.add(TOPIC, SERVICE, 2.0, "late_p99_ms", as_f64(late_us) / 1000.0);
        for (name, pid) in &system.processes {
            if let Some(mib) = proc::peak_memory_mib(*pid) {
                results.add(TOPIC, SERVICE, 2.0, &format!("peak_mib_{name}"), mib);
            }
        }
        run.audit(&system).await?;
        system.stop().await?;
    }
    Ok(())
}
