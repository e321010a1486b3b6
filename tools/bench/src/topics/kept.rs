//! Cost of kept orders: the same requests with few and with many orders in the database.

use anyhow::{Context, Result};
use progress::Progress;

use crate::against::Build;
use crate::choices::{self, PRODUCTS, Spread};
use crate::database::Database;
use crate::generator::Load;
use crate::measure::as_f64;
use crate::page;
use crate::results::SERVICE;
use crate::run::Run;
use crate::stock::VENDOR;
use crate::system::{Storage, System};

pub(crate) const TOPIC: &str = "kept";
/// Orders inserted per statement.
const BATCH: u32 = 200_000;
/// Items per page.
const PAGE: u32 = 100;
/// Number of different orders that are read by id.
const READ_BY_ID: u64 = 1_000;
const ONE_CONNECTION: u32 = 1;

/// Measures both sizes alternately, on two systems that run at the same time.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let mut systems = Vec::new();
    for orders in run.scale.kept {
        let servers = run.create_servers(Build::This).await?;
        fill(&servers.database().await?, orders).await?;
        let system = System::start(&run.builds, Build::This, servers, "").await?;
        run.warm_up(&system).await?;
        prepare_reads(run, &system, orders).await?;
        systems.push((orders, system));
    }
    for _ in 0..run.scale.rounds {
        for (orders, system) in &systems {
            measure(run, system, *orders).await?;
        }
    }
    for (_, system) in systems {
        run.audit(&system).await?;
        system.stop().await?;
    }
    Ok(())
}

async fn measure(run: &mut Run, system: &System, orders: u32) -> Result<()> {
    let load = run.orders(system, Spread::Uniform, ONE_CONNECTION);
    let at = f64::from(orders);
    run.measure(system, TOPIC, SERVICE, at, &load).await?;
    for read in READS {
        let name = format!("{TOPIC}: {read}, {orders} orders");
        let progress = Progress::spinner(name.clone());
        let load = Load {
            method: "GET",
            path: "/api/v1/orders",
            choices: run.choices(&format!("{read} of {orders}")),
            ..load.clone()
        };
        let result = load.run().await.with_context(|| name.clone())?;
        let p50_ms = as_f64(result.p50_us) / 1000.0;
        progress.finish(&format!("{name}: p50 {p50_ms:.3} ms"));
        run.results
            .add(TOPIC, SERVICE, at, &format!("{read}_p50_ms"), p50_ms);
    }
    Ok(())
}

pub(crate) const FIRST_PAGE: &str = "first_page";
pub(crate) const DEEP_PAGE: &str = "deep_page";
pub(crate) const BY_ID: &str = "by_id";
const READS: [&str; 3] = [FIRST_PAGE, DEEP_PAGE, BY_ID];

/// Writes the request files of the reads.
async fn prepare_reads(run: &Run, system: &System, orders: u32) -> Result<()> {
    let Storage::Servers(servers) = &system.storage else {
        return Ok(());
    };
    let newest = u64::try_from(servers.database().await?.newest_order().await?)?;
    let progress = Progress::spinner("paging to the middle of the list");
    let cursor = page::cursor_after(&system.client()?, newest - u64::from(orders) / 2).await?;
    progress.finish("paged to the middle of the list");
    // The inserted orders have the lowest ids.
    let step = (u64::from(orders) / READ_BY_ID).max(1);
    let ids = (1..=u64::from(orders)).step_by(usize::try_from(step)?);
    let reads = [
        (FIRST_PAGE, vec![format!("?limit={PAGE}")]),
        (DEEP_PAGE, vec![format!("?limit={PAGE}&cursor={cursor}")]),
        (BY_ID, ids.map(|id| format!("/{id}")).collect()),
    ];
    for (read, paths) in reads {
        let file = run.choices(&format!("{read} of {orders}"));
        choices::write(&file, paths.into_iter().map(|path| (1.0, path)))?;
    }
    Ok(())
}

/// Inserts orders that were settled a year ago, 90 % confirmed, with their allocations, so that the balances are consistent.
pub(super) async fn fill(database: &Database, orders: u32) -> Result<()> {
    let mut progress = Progress::bar(format!("inserting {orders} orders"), orders.into());
    let mut first = 1;
    while first <= orders {
        let last = orders.min(first + BATCH - 1);
        database.execute(&fill_sql(first, last)).await?;
        progress.set_position(last.into());
        first = last + 1;
    }
    database.execute(&balance_sql()).await?;
    database.execute("VACUUM ANALYZE").await
}

fn fill_sql(first: u32, last: u32) -> String {
    format!(
        "INSERT INTO orders (product_id, quantity, status, reason, created_at, updated_at)
         SELECT 'SKU-' || (n % {PRODUCTS} + 1), 1,
                CASE WHEN rejected THEN 'REJECTED' ELSE 'CONFIRMED' END,
                CASE WHEN rejected THEN 'INSUFFICIENT_STOCK' END, settled_at, settled_at
         FROM generate_series({first}, {last}) AS n,
              LATERAL (SELECT n / {PRODUCTS} % 10 = 9 AS rejected,
                              now() - interval '1 year' + n * interval '1 ms' AS settled_at) AS decided
         ORDER BY n;
         INSERT INTO allocations (order_id, vendor_id, product_id, quantity)
         SELECT id, '{VENDOR}', product_id, quantity FROM orders
         WHERE status = 'CONFIRMED' AND id BETWEEN {first} AND {last} ORDER BY id;"
    )
}

fn balance_sql() -> String {
    format!(
        "UPDATE vendor_stock SET in_flight = sold.units
         FROM (SELECT product_id, sum(quantity) AS units FROM allocations GROUP BY product_id) AS sold
         WHERE vendor_stock.product_id = sold.product_id AND vendor_id = '{VENDOR}';
         UPDATE stock SET quantity = reported - in_flight FROM vendor_stock
         WHERE vendor_stock.product_id = stock.product_id;"
    )
}

#[cfg(test)]
mod tests {
    use domain::ports::AuditQueries;
    use settings::Settings;
    use storage_postgres::PgStore;

    use super::*;
    use crate::system::Servers;

    #[tokio::test]
    async fn inserted_orders_pass_the_audit() {
        let servers = Servers::create(&Settings::load(None).unwrap(), None)
            .await
            .unwrap();
        let database = servers.database().await.unwrap();
        fill(&database, 20_000).await.unwrap();
        let store = PgStore::new(servers.options()).unwrap();
        assert_eq!(store.audit().await.unwrap(), []);
        assert_eq!(database.settled_after(0).await.unwrap(), 20_000);
        assert_eq!(database.pending_after(0).await.unwrap(), 0);
        let settlement = database.settlement_after(0).await.unwrap();
        assert!(settlement.max_ms.abs() < 0.001);
        let rejected = database.settled_after(20_000).await.unwrap();
        assert_eq!(rejected, 0);
    }
}
