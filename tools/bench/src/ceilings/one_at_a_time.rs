//! The simplest use of a data file: one transaction per order, without batching.
//!
//! Uses the service's store with its durability settings, and performs all steps of an order in one transaction: accept,
//! outbox row, lock, decide, save, delete the outbox row.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clock_tokio::SystemClock;
use domain::allocation::most_available_first;
use domain::identifiers::{OrderId, ProductId};
use domain::order::OrderRequest;
use domain::ports::{NewOrder, Store};
use domain::quantity::Quantity;
use domain::settlement::settle;
use serde::Serialize;
use storage_sqlite::{SqliteOptions, SqliteStore};

/// Lease of the outbox claim; no other process claims rows.
const LEASE: Duration = Duration::from_secs(30);

/// Orders per second.
#[derive(Debug, Serialize)]
pub(crate) struct Throughput {
    settled_per_s: f64,
}

/// Settles orders one at a time for `time`.
pub(crate) fn run(data: &Path, time: Duration, products: u32) -> anyhow::Result<Throughput> {
    let products = (1..=products)
        .map(|number| ProductId::parse(format!("SKU-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let store = SqliteStore::open(&SqliteOptions::new(data.to_owned()), Arc::new(SystemClock))?;
    runtime.block_on(async {
        let started = Instant::now();
        let mut orders = 0_u32;
        for product in products.iter().cycle() {
            settle_one(&store, product).await?;
            orders += 1;
            if started.elapsed() >= time {
                break;
            }
        }
        Ok(Throughput {
            settled_per_s: f64::from(orders) / started.elapsed().as_secs_f64(),
        })
    })
}

async fn settle_one(store: &SqliteStore, product: &ProductId) -> anyhow::Result<()> {
    let mut work = store.begin().await?;
    let request = OrderRequest {
        product_id: product.clone(),
        quantity: Quantity::parse(1)?,
    };
    let accepted = work
        .accept(&[NewOrder {
            request,
            key: None,
            batch: None,
            trace: None,
        }])
        .await?;
    let ids: Vec<OrderId> = accepted
        .iter()
        .filter_map(|accepted| Some(accepted.order()?.id))
        .collect();
    let entries = work.claim(1, LEASE).await?;
    let pending = work.lock_pending(&ids).await?;
    let stock = work.lock_stock(std::slice::from_ref(product)).await?;
    let batch = settle(pending, stock, most_available_first)?;
    ensure!(!batch.stock.is_empty(), "product {product} has no stock");
    work.save_settled(&batch.orders).await?;
    work.save_stock(&batch.stock).await?;
    let entries: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    work.remove(&entries).await?;
    work.commit().await?;
    Ok(())
}
