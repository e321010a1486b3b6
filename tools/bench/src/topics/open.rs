//! Open load: orders are sent at random times at a fixed rate, independent of the responses.

use anyhow::{Context, Result};
use progress::Progress;

use crate::against::alternate;
use crate::choices::Spread;
use crate::measure::as_f64;
use crate::pgbench::Pgbench;
use crate::results::SERVICE;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::{Servers, Storage, System};

pub(crate) const TOPIC: &str = "open";
/// Name of the baseline: pgbench inserting one row per order at the same rate.
pub(crate) const INSERT: &str = "pgbench, one INSERT an order";
/// Shares of the best throughput under closed load.
const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// Maximum share for pgbench, which cannot keep up beyond it.
const INSERT_UP_TO: f64 = 0.5;
/// Enough connections for one to be free when an order is due.
pub(crate) const CONNECTIONS: u32 = 256;
const INSERT_CLIENTS: u32 = 32;

/// Measures latencies by share of the best throughput. All builds get the same rates.
pub(crate) async fn run(run: &mut Run, systems: &[System]) -> Result<()> {
    let best = best(run, systems).await?;
    for round in 0..run.scale.rounds {
        for share in SHARES {
            for system in alternate(systems, round) {
                service(run, system, share, best * share).await?;
            }
            if share <= INSERT_UP_TO
                && let Some(Storage::Servers(servers)) = systems.first().map(|it| &it.storage)
            {
                insert(run, servers, share, best * share).await?;
            }
        }
        for system in systems {
            run.audit(system).await?;
        }
    }
    Ok(())
}

async fn service(run: &mut Run, system: &System, share: f64, rate_per_s: f64) -> Result<()> {
    let mut load = run.orders(system, Spread::Hot, CONNECTIONS);
    load.rate_per_s = Some(rate_per_s);
    let measured = run.measure(system, TOPIC, SERVICE, share, &load).await?;
    let late_us = measured.load_result.late_us.value_at_quantile(0.99);
    let values = [
        ("late_p99_ms", as_f64(late_us) / 1000.0),
        ("offered_per_s", rate_per_s),
    ];
    let topic = system.build.topic(TOPIC);
    run.results.add_all((&topic, SERVICE, share), values);
    Ok(())
}

/// Returns the best median throughput of the hot product under closed load, of the slowest of the builds. Measures it first if
/// necessary.
pub(crate) async fn best(run: &mut Run, systems: &[System]) -> Result<f64> {
    let known = |run: &Run| {
        let best = systems.iter().map(|system| {
            let topic = system.build.topic(Spread::Hot.name());
            run.results.best(&topic, SERVICE, "settled_per_s")
        });
        let best: Option<Vec<f64>> = best.collect();
        best?.into_iter().reduce(f64::min)
    };
    if let Some(best) = known(run) {
        return Ok(best);
    }
    for round in 0..run.scale.rounds {
        for connections in [TYPICAL_CONNECTIONS, CONNECTIONS] {
            for system in alternate(systems, round) {
                let load = run.orders(system, Spread::Hot, connections);
                let at = f64::from(connections);
                run.measure(system, Spread::Hot.name(), SERVICE, at, &load)
                    .await?;
            }
        }
    }
    known(run).context("no results for the hot product")
}

async fn insert(run: &mut Run, servers: &Servers, share: f64, rate_per_s: f64) -> Result<()> {
    let pgbench = Pgbench {
        script: "insert",
        products: 1,
        clients: INSERT_CLIENTS,
        seconds: run.scale.seconds,
    };
    let name = format!("{TOPIC}: {INSERT}, {rate_per_s:.0} per second");
    let progress = Progress::spinner(name.clone());
    let environment = servers.libpq_environment();
    let at = pgbench
        .run_at_rate(rate_per_s, run.dir.path(), &environment)
        .await?;
    progress.finish(&format!("{name}: p99 {:.2} ms", at.p99_ms));
    run.results
        .record_command("pgbench: an INSERT at a rate", || {
            format!("{} --rate=RATE --log", pgbench.command_line())
        });
    let values = [
        ("post_p50_ms", at.p50_ms),
        ("post_p99_ms", at.p99_ms),
        ("late_p99_ms", at.late_p99_ms),
    ];
    run.results.add_all((TOPIC, INSERT, share), values);
    Ok(())
}
