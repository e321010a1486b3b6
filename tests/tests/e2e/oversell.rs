//! Guarantee P1 under load: several API processes, workers and connections, with concurrent syncs.

use std::sync::Arc;

use client::OrderStatus;
use tests::{Consumer, Deployment, Standalone, concurrently, count, scale, sold};

const CONNECTIONS: usize = 64;

/// Places orders from 64 connections over these clients.
async fn place_all(clients: &[Consumer], orders: Vec<(String, u32)>) {
    let orders = Arc::new(orders);
    concurrently(CONNECTIONS, |number| {
        let (client, orders) = (clients[number % clients.len()].clone(), Arc::clone(&orders));
        async move {
            for (product, quantity) in orders.iter().skip(number).step_by(CONNECTIONS) {
                client.place(product, *quantity).await;
            }
        }
    })
    .await;
}

/// Places five times as many orders of one unit as there are units of the product `hot`.
async fn sell_out(clients: &[Consumer], stock: i64) {
    let attempts = usize::try_from(stock).unwrap() * 5;
    place_all(clients, vec![("hot".to_owned(), 1); attempts]).await;
    let client = &clients[0];
    client.all_settled().await;
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), attempts);
    assert_eq!(count(&orders, OrderStatus::Confirmed), attempts / 5);
    assert_eq!(count(&orders, OrderStatus::Rejected), attempts / 5 * 4);
    assert_eq!(client.quantity("hot").await, 0);
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
    sell_out(&[deployment.client(0), deployment.client(1)], stock).await;
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_sale_in_standalone_sells_exactly_the_stock() {
    let stock = scale::pick(200, 2_000);
    let standalone = Standalone::start(&[("vendor-a", &[("hot", stock)])], "").await;
    sell_out(&[standalone.client()], stock).await;
    standalone.audit().await;
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
        .start()
        .await;

    let mut random = fastrand::Rng::with_seed(7);
    let orders = (0..attempts)
        .map(|_| {
            let product = names[random.usize(..PRODUCTS)].clone();
            (product, random.u32(1..=5))
        })
        .collect();
    let clients = [deployment.client(0), deployment.client(1)];
    tokio::join!(
        place_all(&clients, orders),
        deployment.wait_for_syncs(syncs)
    );
    deployment.all_settled().await;
    // Sync once more after all orders are settled.
    deployment.wait_for_syncs(1).await;

    let client = &clients[0];
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), attempts);
    let (mut sold_units, mut left) = (0, 0);
    for name in &names {
        sold_units += sold(&orders, name);
        let stock = client.api.stock(name).await.unwrap();
        for vendor in &stock.vendors {
            assert_eq!(i64::from(vendor.reported), UNITS, "{stock:?}");
            assert!(i64::from(vendor.in_flight) <= UNITS, "{stock:?}");
        }
        left += i64::try_from(stock.level.quantity).unwrap();
    }
    let all = UNITS * 3 * i64::try_from(PRODUCTS).unwrap();
    assert_eq!(sold_units + left, all);
    deployment.audit().await;
}
