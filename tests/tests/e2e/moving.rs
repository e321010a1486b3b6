//! Export of a data file and import into PostgreSQL.

use std::path::Path;

use client::{OrderFilter, OrderStatus};
use storage_postgres::test_database::TestDatabase;
use tests::{
    Consumer, Standalone, admin, assert_contains, concurrently, database_environment, scale,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const CLIENTS: usize = 32;

/// Creates orders in every status, for products with stock at one, two or no vendors.
async fn trade(client: &Consumer, orders: usize) {
    concurrently(CLIENTS, |number| {
        let client = client.clone();
        async move {
            for order in (number..orders).step_by(CLIENTS) {
                let key = (order % 2 == 0).then(|| format!("order-{order}"));
                let product = ["both", "one", "unknown"][order % 3];
                let units = u32::try_from(order % 5).unwrap() + 1;
                let placed = client.try_place(product, units, key.as_deref()).await;
                placed.unwrap();
            }
        }
    })
    .await;
    client.all_settled().await;
    let confirmed = OrderFilter {
        status: Some(OrderStatus::Confirmed),
        product_id: None,
    };
    let confirmed = client.api.orders_page(confirmed, Some(30), None).await;
    let steps: [&[OrderStatus]; 3] = [
        &[OrderStatus::Cancelled],
        &[OrderStatus::Shipped],
        &[OrderStatus::Shipped, OrderStatus::Delivered],
    ];
    for (order, statuses) in confirmed.unwrap().items.iter().zip(steps.iter().cycle()) {
        for status in *statuses {
            client.change(order.id, *status).await.unwrap();
        }
    }
}

/// Starts an import, kills it after its first progress message, and resumes it.
async fn import_with_interruption(
    dump: &str,
    environment: &admin::Environment,
) -> (String, String) {
    let mut first = admin::start(&["import", dump], environment);
    let mut output = BufReader::new(first.stderr.take().unwrap()).lines();
    let mut interrupted = String::new();
    while let Some(line) = output.next_line().await.unwrap() {
        if line.starts_with("importing … ") && line.contains(" of ") {
            interrupted = line;
            break;
        }
    }
    first.kill().await.unwrap();
    assert!(!interrupted.is_empty(), "the import reported no progress");
    (
        interrupted,
        admin::succeed(&["import", dump], environment).await,
    )
}

async fn export(arguments: &[&str], out: &Path, environment: &admin::Environment) -> Vec<u8> {
    let out_text = out.to_str().unwrap();
    let arguments = [&["export", out_text], arguments].concat();
    admin::succeed(&arguments, environment).await;
    std::fs::read(out).unwrap()
}

#[tokio::test]
async fn export_and_import_move_a_data_file_to_postgresql_without_loss() {
    let products = scale::pick(30_000, 1_000_000);
    let orders = scale::pick(300, 100_000);
    let stock: [(&str, &[(&str, i64)]); 2] = [
        ("vendor-a", &[("both", 2_000_000), ("one", 50)]),
        ("vendor-b", &[("both", 1_000_000)]),
    ];
    let mut shop = Standalone::start(&stock, "").await;
    trade(&shop.client(), orders).await;
    let dir = tempfile::tempdir().unwrap();
    let (data, sent) = (shop.data(), dir.path().join("sent.ndjson"));
    let data = data.to_str().unwrap();

    let dump = sent.to_str().unwrap();
    admin::fail(
        &["export", dump, "--data", data],
        &[],
        "is in use by process",
    )
    .await;
    assert!(shop.process.terminate().await, "{}", shop.process.log());
    let count = products.to_string();
    admin::succeed(&["seed", "--data", data, "--products", &count], &[]).await;
    let exported = export(&["--data", data], &sent, &[]).await;

    let database = TestDatabase::create().await.unwrap();
    let environment = database_environment(&database);
    let (interrupted, resumed) = import_with_interruption(dump, &environment).await;
    assert_contains(&resumed, "resuming after");
    assert_contains(&resumed, "audit clean");
    let arrived = export(&[], &dir.path().join("arrived.ndjson"), &environment).await;
    assert!(
        exported == arrived,
        "the imported data differ from the exported data"
    );
    println!(
        "{products} products of the catalogue and {orders} orders moved, {} bytes as a file; interrupted at: {interrupted}",
        exported.len()
    );

    let again = admin::succeed(&["import", dump], &environment).await;
    assert_contains(&again, "already imported");
    admin::succeed(
        &["seed", "--data", data, "--products", "1", "--seed", "2"],
        &[],
    )
    .await;
    let other = dir.path().join("other.ndjson");
    export(&["--data", data], &other, &[]).await;
    let import = ["import", other.to_str().unwrap()];
    admin::fail(&import, &environment, "already contains orders or stock").await;
}

#[tokio::test]
async fn incomplete_dump_is_refused_before_the_database_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dump.ndjson");
    std::fs::write(&file, "{\"vendor\":{}}\n").unwrap();
    // No database of this name exists, and none is created.
    let environment = [("DB_NAME", "never_created_by_import".to_owned())];
    let arguments = ["import", file.to_str().unwrap()];
    admin::fail(&arguments, &environment, "incomplete").await;
}
