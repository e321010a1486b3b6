//! Throughput of PostgreSQL alone with batches, on one connection: one transaction inserts a batch of orders, the next one
//! settles it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use dev_env::connection;
use serde::Serialize;
use settings::DatabaseSettings;
use tokio_postgres::{Client, Statement};

const INSERT: &str = "
INSERT INTO bench.orders (product_id, quantity)
SELECT * FROM unnest($1::text[], $2::int[]) RETURNING id";

const LOCK: &str = "
SELECT product_id, quantity FROM bench.stock
WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE";

const SETTLE_ORDERS: &str = "
UPDATE bench.orders SET status = 'CONFIRMED' WHERE id = ANY($1) AND status = 'PENDING'";

const TAKE_STOCK: &str = "
UPDATE bench.stock SET quantity = stock.quantity - taken.quantity
FROM unnest($1::text[], $2::int[]) AS taken (product_id, quantity) WHERE stock.product_id = taken.product_id";

/// Orders per second in each of the two kinds of transaction.
#[derive(Debug, Serialize)]
pub(crate) struct Batched {
    inserted_per_s: f64,
    settled_per_s: f64,
}

/// Alternates between both kinds of transaction and times each kind separately.
pub(crate) fn run(
    settings: &DatabaseSettings,
    time: Duration,
    batch: u32,
    products: u32,
) -> anyhow::Result<Batched> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = wiring::postgres(settings, "order-aggregator-ceilings");
        let mut client = connection::connect(&options).await?;
        let statements = Statements::prepare(&client).await?;
        let until = Instant::now() + time;
        let (mut orders, mut inserting, mut settling) = (0_u32, Duration::ZERO, Duration::ZERO);
        while Instant::now() < until {
            let ordered_products = ordered_products(orders, batch, products);
            let started = Instant::now();
            let ids = insert(&client, &statements, &ordered_products).await?;
            let inserted = Instant::now();
            settle(&mut client, &statements, &ids, &ordered_products).await?;
            inserting += inserted - started;
            settling += inserted.elapsed();
            orders += batch;
        }
        Ok(Batched {
            inserted_per_s: f64::from(orders) / inserting.as_secs_f64(),
            settled_per_s: f64::from(orders) / settling.as_secs_f64(),
        })
    })
}

/// Returns the product of each order of a batch, round-robin.
fn ordered_products(first: u32, batch: u32, products: u32) -> Vec<String> {
    (first..first + batch)
        .map(|order| format!("{}", order % products + 1))
        .collect()
}

struct Statements {
    insert: Statement,
    lock: Statement,
    settle_orders: Statement,
    take_stock: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> anyhow::Result<Self> {
        Ok(Self {
            insert: client.prepare(INSERT).await?,
            lock: client.prepare(LOCK).await?,
            settle_orders: client.prepare(SETTLE_ORDERS).await?,
            take_stock: client.prepare(TAKE_STOCK).await?,
        })
    }
}

async fn insert(
    client: &Client,
    statements: &Statements,
    ordered_products: &[String],
) -> anyhow::Result<Vec<i64>> {
    let quantities = vec![1_i32; ordered_products.len()];
    let rows = client
        .query(&statements.insert, &[&ordered_products, &quantities])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn settle(
    client: &mut Client,
    statements: &Statements,
    ids: &[i64],
    ordered_products: &[String],
) -> anyhow::Result<()> {
    let mut products = ordered_products.to_vec();
    products.sort_unstable();
    let (mut names, mut taken) = (Vec::<String>::new(), Vec::<i32>::new());
    for product in products {
        if names.last() == Some(&product) {
            if let Some(last) = taken.last_mut() {
                *last += 1;
            }
        } else {
            names.push(product);
            taken.push(1);
        }
    }
    let transaction = client.transaction().await?;
    let locked = transaction.query(&statements.lock, &[&names]).await?;
    ensure!(locked.len() == names.len(), "a product has no stock row");
    let settled = transaction
        .execute(&statements.settle_orders, &[&ids])
        .await?;
    ensure!(settled == ids.len() as u64, "an order was not PENDING");
    transaction
        .execute(&statements.take_stock, &[&names, &taken])
        .await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cycle_through_the_products() {
        assert_eq!(ordered_products(0, 3, 1), ["1", "1", "1"]);
        assert_eq!(ordered_products(2, 4, 3), ["3", "1", "2", "3"]);
    }
}
