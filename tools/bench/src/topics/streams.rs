//! Memory while whole lists are streamed as NDJSON: each list from a newly started API, with few and with many items.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use client::{Client, ClientError, Lines, OrderFilter, StockFilter};
use dev_env::children::Children;
use dev_env::endpoints;
use dev_env::programs::API;
use progress::Progress;
use serde::de::DeserializeOwned;

use super::kept;
use crate::against::Build;
use crate::choices::PRODUCTS;
use crate::database::Database;
use crate::proc;
use crate::run::Run;
use crate::stock::VENDOR;
use crate::system::{Servers, config_arguments};

pub(crate) const TOPIC: &str = "streams";
pub(crate) const ORDERS: &str = "orders";
pub(crate) const STOCK: &str = "products";

/// Measures both lists with both numbers of items alternately.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let mut servers_by_size = Vec::new();
    for items in run.scale.streamed {
        let servers = run.create_servers(Build::This).await?;
        let database = servers.database().await?;
        fill_stock(&database, items).await?;
        kept::fill(&database, items).await?;
        servers_by_size.push((items, servers));
    }
    for _ in 0..run.scale.rounds {
        for (items, servers) in &servers_by_size {
            for list in [ORDERS, STOCK] {
                measure(run, servers, list, *items).await?;
            }
        }
    }
    Ok(())
}

async fn measure(run: &mut Run, servers: &Servers, list: &str, items: u32) -> Result<()> {
    let name = format!("{TOPIC}: {items} {list}");
    let progress = Progress::spinner(name.clone());
    let dir = tempfile::tempdir()?;
    let arguments = config_arguments(dir.path(), "")?;
    let address = endpoints::free_address()?;
    let mut environment = servers.environment();
    environment.push(("PORT", address.port().to_string()));
    let mut children = Children::default();
    let program = run.builds.programs(Build::This).path(API)?;
    let pid = children.start("api", program, &arguments, &environment)?;
    children.wait_until_ready(address).await?;
    let before = peak_mib(pid)?;

    let api = Client::new(&endpoints::http_url(address))?;
    let started = Instant::now();
    let read = match list {
        ORDERS => count(api.order_lines(OrderFilter::default()).await?).await,
        _ => count(api.stock_lines(StockFilter::default()).await?).await,
    };
    let read = read.with_context(|| name.clone())?;
    let elapsed_s = started.elapsed().as_secs_f64();
    ensure!(read == items, "read {read} of {items} {list}");
    let peak = peak_mib(pid)?;

    let per_s = f64::from(read) / elapsed_s;
    progress.finish(&format!(
        "{name}: peak {peak:.1} MiB, {before:.1} MiB before; {per_s:.0} per second"
    ));
    let at = f64::from(items);
    let values = [
        ("before_mib", before),
        ("peak_mib", peak),
        ("read_per_s", per_s),
    ];
    run.results.add_all((TOPIC, list, at), values);
    children.stop_all().await
}

/// Reads a list to its end and returns the number of items.
async fn count<T: DeserializeOwned>(mut lines: Lines<T>) -> Result<u32, ClientError> {
    let mut read = 0;
    while lines.next().await?.is_some() {
        read += 1;
    }
    Ok(read)
}

fn peak_mib(pid: i32) -> Result<f64> {
    proc::peak_memory_mib(pid).context("peak memory is available only on Linux")
}

/// Inserts stock until there are `products` products.
async fn fill_stock(database: &Database, products: u32) -> Result<()> {
    let progress = Progress::spinner(format!("inserting {products} products"));
    let more = products.saturating_sub(PRODUCTS);
    database.execute(&stock_sql(more)).await?;
    progress.finish(&format!("{products} products"));
    Ok(())
}

fn stock_sql(products: u32) -> String {
    format!(
        "INSERT INTO stock (product_id, quantity) SELECT 'more-' || n, 5 FROM generate_series(1, {products}) AS n;
         INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of)
         SELECT product_id, '{VENDOR}', quantity, now() FROM stock WHERE product_id LIKE 'more-%';"
    )
}

#[cfg(test)]
mod tests {
    use domain::ports::{AuditQueries, StockQueries};
    use settings::Settings;
    use storage_postgres::PgStore;

    use super::*;

    #[tokio::test]
    async fn inserted_stock_passes_the_audit() {
        let servers = Servers::create(&Settings::load(None).unwrap(), None)
            .await
            .unwrap();
        let database = servers.database().await.unwrap();
        fill_stock(&database, PRODUCTS + 500).await.unwrap();
        let store = PgStore::new(servers.options()).unwrap();
        assert_eq!(store.audit().await.unwrap(), []);
        let filled = store.list_stock(None, false, u32::MAX).await.unwrap();
        assert_eq!(filled.len(), usize::try_from(PRODUCTS).unwrap() + 500);
    }
}
