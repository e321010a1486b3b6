//! Orders with many event readers, some of them stuck, compared to orders without readers.

use std::time::{Duration, Instant};

use anyhow::Result;
use progress::Progress;

use crate::against::Build;
use crate::choices::Spread;
use crate::measure::as_f64;
use crate::proc;
use crate::readers::Readers;
use crate::results::SERVICE;
use crate::run::{Run, TYPICAL_CONNECTIONS};

pub(crate) const TOPIC: &str = "events";
/// A shorter timeout than the default, so that stuck readers are disconnected during the measurement.
const SETTINGS: &str = "[api]\nsend_timeout = \"5s\"\n";
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Measures without and with readers alternately, each on a newly started service, because the peak memory of a process
/// never decreases.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let [readers, stuck] = run.scale.readers;
    for round in 0..run.scale.rounds {
        for (all, stuck) in [(0, 0), (readers, stuck)] {
            for build in run.builds.in_round(round) {
                measure(run, build, all, stuck).await?;
            }
        }
    }
    Ok(())
}

async fn measure(run: &mut Run, build: Build, all: u32, stuck: u32) -> Result<()> {
    let system = run.start_system(build, SETTINGS).await?;
    let readers = Readers::connect(system.api, all, stuck).await?;
    let load = run.orders(&system, Spread::Hot, TYPICAL_CONNECTIONS);
    let (started, cpu_before_us) = (Instant::now(), proc::own_cpu_us());
    let at = f64::from(all);
    run.measure(&system, TOPIC, SERVICE, at, &load).await?;
    let elapsed_s = started.elapsed().as_secs_f64();
    let received = readers.received();
    let mut figures = Vec::new();
    if all > 0 {
        let events = as_f64(received.events);
        figures.extend([("events", events), ("events_per_s", events / elapsed_s)]);
        let mib = as_f64(received.bytes) / f64::from(1 << 20);
        figures.extend([("events_mib_per_s", mib / elapsed_s)]);
        figures.extend([("readers_dropped", as_f64(received.dropped))]);
        if let (Some(before), Some(after)) = (cpu_before_us, proc::own_cpu_us()) {
            let cores = as_f64(after - before) / 1e6 / elapsed_s;
            figures.push(("readers_cores", cores));
        }
        let progress = Progress::spinner("waiting until stuck readers are disconnected");
        let closed = readers.closed_within(CLOSE_TIMEOUT).await?;
        progress.finish(&format!(
            "{all} readers read {events:.0} events, {} disconnections; {closed} of {stuck} stuck readers disconnected",
            received.dropped
        ));
        figures.extend([("stuck", f64::from(stuck)), ("stuck_cut", as_f64(closed))]);
    }
    let api = system.processes.iter().find(|(name, _)| *name == "api");
    if let Some(mib) = api.and_then(|(_, pid)| proc::peak_memory_mib(*pid)) {
        figures.push(("peak_mib", mib));
    }
    run.results
        .add_all((&build.topic(TOPIC), SERVICE, at), figures);
    drop(readers);
    run.audit(&system).await?;
    system.stop().await
}
