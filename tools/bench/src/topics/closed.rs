//! Closed load: each connection sends its next order after the last response.

use anyhow::Result;
use progress::Progress;

use crate::against::{Build, alternate};
use crate::baselines;
use crate::choices::Spread;
use crate::generator::Load;
use crate::measure::as_f64;
use crate::pgbench::Pgbench;
use crate::redis_server::RedisPeer;
use crate::results::SERVICE;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::{Servers, Storage, System};

/// Numbers of connections to the service.
pub(crate) const CONNECTIONS: [u32; 6] = [1, 8, 32, 64, 256, MOST_CONNECTIONS];
pub(crate) const MOST_CONNECTIONS: u32 = 1024;
/// Numbers of pgbench clients.
pub(crate) const CLIENTS: [u32; 3] = [1, 8, 32];
/// Number of clients of the design with a row per unit.
pub(crate) const UNIT_CLIENTS: u32 = 32;
/// Name of the baseline: pgbench with one transaction per order.
pub(crate) const EACH: &str = "pgbench, a transaction an order";
/// Name of the baseline: pgbench with a row for each unit of stock.
pub(crate) const UNITS: &str = "pgbench, a row a unit";
/// Name of the baseline: an HTTP server that settles each order by a script in Redis.
pub(crate) const REDIS: &str = "a script in Redis behind HTTP";
/// Units per second of the measurement: more than are sold.
const UNITS_PER_S: u64 = 30_000;

/// Measures one distribution of orders, with the builds and the baselines alternately.
pub(crate) async fn run(run: &mut Run, systems: &[System], spread: Spread) -> Result<()> {
    let connections: &[u32] = match spread {
        Spread::Hot | Spread::Uniform => &CONNECTIONS,
        Spread::Zipf => &[TYPICAL_CONNECTIONS],
    };
    for round in 0..run.scale.rounds {
        let mut clients = CLIENTS.iter();
        for &connections in connections {
            for system in alternate(systems, round) {
                service(run, system, spread, connections).await?;
            }
            // Alternate, so that other load on the machine affects all of them.
            let Some(Storage::Servers(servers)) = systems.first().map(|it| &it.storage) else {
                continue;
            };
            if spread != Spread::Zipf
                && let Some(&clients) = clients.next()
            {
                each(run, servers, spread, clients).await?;
            }
            if spread == Spread::Hot {
                peers(run, servers, connections).await?;
            }
        }
        for system in systems {
            run.audit(system).await?;
        }
    }
    Ok(())
}

async fn service(run: &mut Run, system: &System, spread: Spread, connections: u32) -> Result<()> {
    let load = run.orders(system, spread, connections);
    let (topic, at) = (spread.name(), f64::from(connections));
    let measured = run.measure(system, topic, SERVICE, at, &load).await?;
    if [TYPICAL_CONNECTIONS, MOST_CONNECTIONS].contains(&connections) {
        run.record_cpu(system, topic, connections, &measured);
    }
    Ok(())
}

async fn each(run: &mut Run, servers: &Servers, spread: Spread, clients: u32) -> Result<()> {
    let pgbench = Pgbench {
        script: "order",
        products: spread.products(),
        clients,
        seconds: run.scale.seconds,
    };
    let name = format!("{}: {EACH}", spread.name());
    let at = (spread.name(), EACH, "settled_per_s");
    run.pgbench(servers, &pgbench, &name, "pgbench: an order", at)
        .await
}

/// Measures other designs for a hot product at some numbers of connections.
async fn peers(run: &mut Run, servers: &Servers, connections: u32) -> Result<()> {
    match connections {
        UNIT_CLIENTS => row_per_unit(run, servers).await,
        TYPICAL_CONNECTIONS | MOST_CONNECTIONS => redis(run, connections).await,
        _ => Ok(()),
    }
}

async fn row_per_unit(run: &mut Run, servers: &Servers) -> Result<()> {
    let pgbench = Pgbench {
        script: "unit",
        products: 1,
        clients: UNIT_CLIENTS,
        seconds: run.scale.seconds,
    };
    let database = servers.database().await?;
    let units = UNITS_PER_S * run.scale.seconds;
    // Half of the units are already sold, so that the planner chooses the index of the others.
    let sql = format!(
        "TRUNCATE bench.units;
         INSERT INTO bench.units (product_id, is_sold)
         SELECT '1', n <= {units} FROM generate_series(1, 2 * {units}) AS n;"
    );
    database.execute(&sql).await?;
    database.execute("VACUUM ANALYZE bench.units").await?;
    let (topic, purpose) = (Spread::Hot.name(), "pgbench: a row a unit");
    let name = format!("{topic}: {UNITS}");
    let at = (topic, UNITS, "settled_per_s");
    run.pgbench(servers, &pgbench, &name, purpose, at).await
}

async fn redis(run: &mut Run, connections: u32) -> Result<()> {
    let peer = RedisPeer::start(run.builds.programs(Build::This)).await?;
    let choices = run.choices(Spread::Hot.name());
    let load = Load::of_bare_server(peer.address, choices, connections, run.scale.seconds);
    let topic = Spread::Hot.name();
    let name = format!("{topic}: {REDIS}, {connections} connections");
    let progress = Progress::spinner(name.clone());
    let result = load.run().await?;
    let per_s = result.requests_per_s();
    progress.finish(&format!("{name}: {per_s:.0} settled per second"));
    let arguments = ["redis --port=PORT --redis=PORT".to_owned()];
    let profile = run.profile;
    run.results
        .record_command(REDIS, || baselines::command_line(profile, &arguments));
    let values = [
        ("settled_per_s", per_s),
        ("post_p50_ms", as_f64(result.p50_us) / 1000.0),
        ("post_p99_ms", as_f64(result.p99_us) / 1000.0),
    ];
    let at = (topic, REDIS, f64::from(connections));
    run.results.add_all(at, values);
    peer.stop().await
}
