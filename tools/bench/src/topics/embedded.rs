//! The standalone program, and a loop with one transaction per order on the same kind of data file.

use anyhow::Result;
use progress::Progress;

use super::closed::{CONNECTIONS, MOST_CONNECTIONS};
use crate::against::{Build, alternate};
use crate::baselines;
use crate::choices::Spread;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::{System, create_data_file, temp_dir_on_disk};

pub(crate) const TOPIC: &str = "standalone";

/// Returns the name of the loop's results.
pub(crate) fn plain(spread: Spread) -> String {
    format!("a transaction an order, {}", spread.name())
}

/// Measures hot and uniform orders, with the service and with the loop.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let mut systems = Vec::new();
    for build in run.builds.in_round(0) {
        let system = System::start_embedded(&run.builds, build, &run.settings).await?;
        run.warm_up(&system).await?;
        systems.push(system);
    }
    for round in 0..run.scale.rounds {
        for spread in [Spread::Hot, Spread::Uniform] {
            for connections in CONNECTIONS {
                for system in alternate(&systems, round) {
                    service(run, system, spread, connections).await?;
                }
            }
            one_at_a_time(run, spread).await?;
        }
        for system in &systems {
            run.audit(system).await?;
        }
    }
    for system in systems {
        system.stop().await?;
    }
    Ok(())
}

async fn service(run: &mut Run, system: &System, spread: Spread, connections: u32) -> Result<()> {
    let load = run.orders(system, spread, connections);
    let at = f64::from(connections);
    let measured = run.measure(system, TOPIC, spread.name(), at, &load).await?;
    let is_shown = [TYPICAL_CONNECTIONS, MOST_CONNECTIONS].contains(&connections);
    if is_shown && spread == Spread::Hot {
        run.record_cpu(system, TOPIC, connections, &measured);
    }
    Ok(())
}

async fn one_at_a_time(run: &mut Run, spread: Spread) -> Result<()> {
    let dir = temp_dir_on_disk()?;
    let file = dir.path().join("orders.db");
    create_data_file(&file, &run.settings).await?;
    let name = format!("{TOPIC}: {}", plain(spread));
    let progress = Progress::spinner(name.clone());
    let arguments = [
        "one-at-a-time".to_owned(),
        format!("--data={}", file.display()),
        format!("--seconds={}", run.scale.seconds),
        format!("--products={}", spread.products()),
    ];
    let programs = run.builds.programs(Build::This);
    let result = baselines::run(programs, &arguments, &[]).await?;
    let per_s = baselines::number(&result, "settled_per_s")?;
    progress.finish(&format!("{name}: {per_s:.0} per second"));
    let shown = [
        "one-at-a-time --data=FILE".to_owned(),
        arguments[2..].join(" "),
    ];
    let profile = run.profile;
    run.results
        .record_command("data file, one order at a time", || {
            baselines::command_line(profile, &shown)
        });
    run.results
        .add(TOPIC, &plain(spread), 1.0, "settled_per_s", per_s);
    Ok(())
}
