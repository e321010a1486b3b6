//! Guarantee P1 under load: several API processes, workers and connections, with concurrent syncs.

use std::time::Duration;

use client::OrderStatus;
use tests::{Consumer, Deployment, count, scale};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 64;

/// Places orders from 64 connections over two API processes.
async fn place_all(deployment: &Deployment, orders: Vec<(String, u32)>) {
    let clients = [deployment.client(0), deployment.client(1)];
    let mut shares: Vec<Vec<(String, u32)>> = vec![Vec::new(); CONNECTIONS];
    for (number, order) in orders.into_iter().enumerate() {
        shares[number % CONNECTIONS].push(order);
    }
    let mut tasks = JoinSet::new();
    for (number, share) in shares.into_iter().enumerate() {
        let client: Consumer = clients[number % clients.len()].clone();
        tasks.spawn(async move {
            for (product, quantity) in share {
                client.place(&product, quantity).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_sale_sells_exactly_the_stock() {
    let stock = scale::pick(200, 1_000);
    let deployment = Deployment::builder()
        .apis(2)
        .workers(2)
        .vendor("vendor-a", &[("hot", stock)])
        .start()
        .await;
    let attempts = usize::try_from(stock).unwrap() * 5;
    place_all(&deployment, vec![("hot".to_owned(), 1); attempts]).await;
    deployment.all_settled().await;

    let client = deployment.client(0);
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), attempts);
    assert_eq!(count(&orders, OrderStatus::Confirmed), attempts / 5);
    assert_eq!(count(&orders, OrderStatus::Rejected), attempts / 5 * 4);
    assert_eq!(client.quantity("hot").await, 0);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_syncs_cause_no_over_allocation() {
    const PRODUCTS: usize = 20;
    const UNITS: i64 = 50;
    let attempts = scale::pick(1_000, 5_000);
    let syncs = scale::pick(3, 20);
    let names: Vec<String> = (0..PRODUCTS)
        .map(|number| format!("product-{number}"))
        .collect();
    let stock: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), UNITS)).collect();
    let deployment = Deployment::builder()
        .apis(2)
        .workers(2)
        .vendor("vendor-a", &stock)
        .vendor("vendor-b", &stock)
        .vendor("vendor-c", &stock)
        .sync_interval(Duration::from_secs(1))
        .start()
        .await;

    let mut random = fastrand::Rng::with_seed(7);
    let orders = (0..attempts)
        .map(|_| {
            let product = names[random.usize(..PRODUCTS)].clone();
            (product, random.u32(1..=5))
        })
        .collect();
    tokio::join!(
        place_all(&deployment, orders),
        deployment.wait_for_syncs(syncs)
    );
    deployment.all_settled().await;
    // Sync once more after all orders are settled.
    deployment.wait_for_syncs(1).await;

    let client = deployment.client(0);
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), attempts);
    let sold: i64 = orders
        .iter()
        .filter(|order| order.status == OrderStatus::Confirmed)
        .map(|order| i64::from(order.quantity))
        .sum();
    let mut left = 0;
    for name in &names {
        let stock = client.api.stock(name).await.unwrap();
        for vendor in &stock.vendors {
            assert_eq!(i64::from(vendor.reported), UNITS, "{stock:?}");
            assert!(i64::from(vendor.in_flight) <= UNITS, "{stock:?}");
        }
        left += i64::try_from(stock.level.quantity).unwrap();
    }
    let all = UNITS * 3 * i64::try_from(PRODUCTS).unwrap();
    assert_eq!(sold + left, all);
    deployment.audit().await;
}
