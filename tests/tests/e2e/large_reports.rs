//! A large report in the embedded deployment: the data file has one writer, and orders are accepted between transactions.

use std::time::{Duration, Instant};

use tests::{Consumer, Load, Standalone, scale};

const CLIENTS: usize = 4;

/// Waits until a product is available. Without a timeout, because a large report is slow in an unoptimised build.
async fn wait_for_stock(client: &Consumer, product_id: &str) {
    while client.quantity(product_id).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Prints the latency of these orders.
fn print_latencies(mut took: Vec<Duration>) {
    took.sort_unstable();
    let last = took.len() - 1;
    println!(
        "{} orders placed during the sync: p50 {:?}, p99 {:?}, longest {:?}",
        took.len(),
        took[last / 2],
        took[last * 99 / 100],
        took[last]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_accepted_while_a_large_report_is_applied() {
    let lines = scale::pick(100_000, 600_000);
    let standalone = Standalone::start(&[("vendor-a", &[("hot", 1_000_000)])], "").await;
    let client = standalone.client();
    let placing = client.clone();
    let load = Load::start(CLIENTS, move |_, _| {
        let client = placing.clone();
        async move {
            let placed_at = Instant::now();
            client.place("hot", 1).await;
            let took = placed_at.elapsed();
            // Keep the load moderate.
            tokio::time::sleep(Duration::from_millis(20)).await;
            (placed_at, took)
        }
    });

    let product = |number: usize| format!("item-{number:07}");
    let hot = [("hot".to_owned(), 1_000_000)];
    let report = (0..lines).map(|number| (product(number), 5)).chain(hot);
    standalone.vendors[0].set_stock(report);
    wait_for_stock(&client, &product(0)).await;
    let started = Instant::now();
    wait_for_stock(&client, &product(lines - 1)).await;
    let ended = Instant::now();
    let placed = load.stop().await.into_iter();

    let took: Vec<Duration> = placed
        .filter(|(placed_at, took)| started <= *placed_at && *placed_at + *took <= ended)
        .map(|(_, took)| took)
        .collect();
    println!("{lines} products written in {:?}", ended - started);
    // More than one order per client: orders are accepted between the transactions of the sync, not only before and after it.
    assert!(took.len() > CLIENTS, "{} orders were placed", took.len());
    print_latencies(took);
    standalone.ready().await;
    client.all_settled().await;
    standalone.audit().await;
}
