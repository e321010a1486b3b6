//! Overload: orders are sent at twice the maximum rate of the service. Each build gets twice its own maximum.

use anyhow::Result;

use super::open;
use crate::against::Build;
use crate::choices::Spread;
use crate::generator::Statuses;
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
    for round in 0..run.scale.rounds {
        for build in run.builds.in_round(round) {
            measure(run, build).await?;
        }
    }
    Ok(())
}

async fn measure(run: &mut Run, build: Build) -> Result<()> {
    let system = run.start_system(build, SETTINGS).await?;
    let topic = build.topic(TOPIC);
    let best = open::best(run, std::slice::from_ref(&system)).await?;
    let mut load = run.orders(&system, Spread::Hot, CONNECTIONS);
    load.seconds *= DURATION_FACTOR;
    load.rate_per_s = Some(best * 2.0);
    load.statuses = Statuses::Timed;
    let measured = run.measure(&system, TOPIC, SERVICE, 2.0, &load).await?;
    let [accepted, refused] = measured.load_result.with_statuses([202, 503])?;
    let all = accepted + refused;
    let seconds = as_f64(measured.load_result.duration_us) / 1e6;
    let late_us = measured.load_result.late_us.value_at_quantile(0.99);
    let mut values = vec![
        ("refused_share", as_f64(refused) / as_f64(all.max(1))),
        ("answered_per_s", as_f64(all) / seconds),
        ("offered_per_s", best * 2.0),
        ("late_p99_ms", as_f64(late_us) / 1000.0),
    ];
    let refused_us = &measured.load_result.refused_us;
    if !refused_us.is_empty() {
        for (name, share) in [("refused_p50_ms", 0.5), ("refused_p99_ms", 0.99)] {
            values.push((name, as_f64(refused_us.value_at_quantile(share)) / 1000.0));
        }
    }
    run.results.add_all((&topic, SERVICE, 2.0), values);
    for (name, pid) in &system.processes {
        if let Some(mib) = proc::peak_memory_mib(*pid) {
            let metric = format!("peak_mib_{name}");
            run.results.add(&topic, SERVICE, 2.0, &metric, mib);
        }
    }
    run.audit(&system).await?;
    system.stop().await
}
