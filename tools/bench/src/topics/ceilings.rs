//! Throughput of HTTP, PostgreSQL and RabbitMQ alone on this machine.

use anyhow::Result;
use dev_env::children::Children;
use dev_env::endpoints;
use progress::Progress;

use super::closed::CLIENTS;
use crate::against::Build;
use crate::baselines;
use crate::choices::{PRODUCTS, Spread};
use crate::generator::Load;
use crate::pgbench::Pgbench;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::Servers;

pub(crate) const TOPIC: &str = "ceilings";
pub(crate) const HTTP: &str = "HTTP and JSON alone";
pub(crate) const INSERTS: &str = "pgbench, one INSERT an order";
pub(crate) const BATCHES: &str = "PostgreSQL, batches on one connection";
pub(crate) const BROKER: &str = "RabbitMQ, quorum queue";
/// Orders per transaction and per message.
const BATCH: u32 = 256;

/// Measures each component.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let servers = run.create_servers(Build::This).await?;
    for _ in 0..run.scale.rounds {
        http(run).await?;
        for clients in CLIENTS {
            insert(run, &servers, clients).await?;
        }
        for products in [1, PRODUCTS] {
            let seconds = format!("--seconds={}", run.scale.seconds);
            let arguments = vec![
                "batches".to_owned(),
                seconds,
                format!("--batch={BATCH}"),
                format!("--products={products}"),
            ];
            let members = ["inserted_per_s", "settled_per_s"];
            baseline(run, &servers, BATCHES, products, &arguments, &members).await?;
        }
        for ids in [1, BATCH] {
            let seconds = format!("--seconds={}", run.scale.seconds);
            let arguments = vec!["broker".to_owned(), seconds, format!("--ids={ids}")];
            let members = ["messages_per_s", "order_ids_per_s"];
            baseline(run, &servers, BROKER, ids, &arguments, &members).await?;
        }
    }
    Ok(())
}

async fn http(run: &mut Run) -> Result<()> {
    let address = endpoints::free_address()?;
    let mut children = Children::default();
    let arguments = ["http".into(), format!("--port={}", address.port()).into()];
    children.start(
        "ceilings",
        run.builds.programs(Build::This).path("ceilings")?,
        &arguments,
        &[],
    )?;
    children.wait_until_ready(address).await?;
    let choices = run.choices(Spread::Hot.name());
    let load = Load::of_bare_server(address, choices, TYPICAL_CONNECTIONS, run.scale.seconds);
    let progress = Progress::spinner(HTTP);
    let result = load.run().await?;
    let per_s = result.requests_per_s();
    progress.finish(&format!("{HTTP}: {per_s:.0} per second"));
    let profile = run.profile;
    run.results.record_command(HTTP, || {
        baselines::command_line(profile, &["http --port=PORT".to_owned()])
    });
    let at = f64::from(TYPICAL_CONNECTIONS);
    run.results.add(TOPIC, HTTP, at, "answered_per_s", per_s);
    children.stop_all().await
}

async fn insert(run: &mut Run, servers: &Servers, clients: u32) -> Result<()> {
    let pgbench = Pgbench {
        script: "insert",
        products: PRODUCTS,
        clients,
        seconds: run.scale.seconds,
    };
    let at = (TOPIC, INSERTS, "inserted_per_s");
    run.pgbench(servers, &pgbench, INSERTS, INSERTS, at).await
}

async fn baseline(
    run: &mut Run,
    servers: &Servers,
    what: &str,
    at: u32,
    arguments: &[String],
    members: &[&str],
) -> Result<()> {
    let name = format!("{what} ({})", arguments[1..].join(" "));
    let progress = Progress::spinner(name.clone());
    let (programs, profile) = (run.builds.programs(Build::This), run.profile);
    let result = baselines::run(programs, arguments, &servers.environment()).await?;
    run.results
        .record_command(what, || baselines::command_line(profile, arguments));
    let mut figures = Vec::new();
    for member in members {
        let number = baselines::number(&result, member)?;
        run.results.add(TOPIC, what, f64::from(at), member, number);
        figures.push(format!("{member} {number:.0}"));
    }
    progress.finish(&format!("{name}: {}", figures.join(", ")));
    Ok(())
}
