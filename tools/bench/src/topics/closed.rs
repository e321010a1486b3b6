//! Closed load: each connection sends its next order after the last response.

use anyhow::Result;

use crate::choices::Spread;
use crate::pgbench::Pgbench;
use crate::results::SERVICE;
use crate::run::{Run, TYPICAL_CONNECTIONS};
use crate::system::{Servers, Storage, System};

/// Numbers of connections to the service.
pub(crate) const CONNECTIONS: [u32; 6] = [1, 8, 32, 64, 256, 1024];
/// Numbers of pgbench clients.
pub(crate) const CLIENTS: [u32; 3] = [1, 8, 32];
/// Name of the baseline: pgbench with one transaction per order.
pub(crate) const EACH: &str = "pgbench, a transaction an order";

/// Measures one distribution of orders.
pub(crate) async fn run(run: &mut Run, system: &System, spread: Spread) -> Result<()> {
    let connections: &[u32] = match spread {
        Spread::Hot | Spread::Uniform => &CONNECTIONS,
        Spread::Zipf => &[TYPICAL_CONNECTIONS],
    };
    for _ in 0..run.scale.rounds {
        let mut clients = CLIENTS.iter();
        for &connections in connections {
            let load = run.orders(system, spread, connections);
            let at = f64::from(connections);
            let measured = run
                .measure(system, spread.name(), SERVICE, at, &load)
                .await?;
            if connections == TYPICAL_CONNECTIONS {
                run.record_cpu(spread.name(), &measured);
            }
            // Alternate, so that other load on the machine affects both.
            if let Storage::Servers(servers) = &system.storage
                && spread != Spread::Zipf
                && let Some(&clients) = clients.next()
            {
                each(run, servers, spread, clients).await?;
            }
        }
        run.audit(system).await?;
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
