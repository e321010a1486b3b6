//! The twelve vendors of `config/examples/mock-vendors.toml` in one deployment, with the settings of its comments: every source,
//! every format, and the faults of the script, while orders are placed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use client::{Order, OrderStatus, Run, SyncStatus, Vendor};
use tests::{
    Consumer, Deployment, Load, MockVendors, assert_contains, eventually, free_ports, scale,
};

const EXAMPLE: &str = include_str!("../../../config/examples/mock-vendors.toml");
/// The variables of secrets, which the head of the example names.
const VARIABLES: [&str; 6] = [
    "GLOBEX_PASSWORD",
    "STARK_SECRET",
    "WAYNE_PASSWORD",
    "TYRELL_PASSWORD",
    "OSCORP_KEY",
    "APERTURE_SECRET",
];
/// The vendor that fails from its fourth request on.
const FAILING: &str = "soylent";
/// Units of products by vendor and product: the last stock of the script.
type Stock = BTreeMap<String, BTreeMap<String, i64>>;

/// The script with free ports, files in this directory and short intervals, and the port of the API that it names.
fn script(directory: &Path) -> (String, u16) {
    let mut text = EXAMPLE.replace("/tmp/mock-vendors", directory.to_str().unwrap());
    let ports = free_ports(13);
    for (port, free) in (5101..=5112).chain([3000]).zip(&ports) {
        text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    text = text
        .replace("interval_s = 20", "interval_s = 2")
        .replace("sync_interval = \"1m\"", "sync_interval = \"1s\"");
    (text, ports[12])
}

/// The settings in the comments of a script.
fn settings_of(script: &str) -> String {
    let blocks = script.split("# Settings:\n").skip(1);
    let lines = blocks.flat_map(|block| block.lines().map_while(|line| line.strip_prefix("# ")));
    lines.collect::<Vec<_>>().join("\n")
}

/// The products of the script: by hand, because a test that reads them as the program does would repeat its mistakes.
fn scripted() -> Stock {
    let named: [(&str, &[(&str, i64)]); 9] = [
        ("acme", &[("A-1", 50), ("A-2", 100), ("A-3", 0)]),
        ("globex", &[("G-1", 7), ("G-2", 12)]),
        ("hooli", &[("Größe-M", 1250), ("0012", 3)]),
        ("umbrella", &[("0001", 9), ("0002", 4)]),
        ("soylent", &[("Grün", 20), ("Rot", 0)]),
        ("stark", &[("4006381333931", 12), ("4006381333948", 8)]),
        ("wayne", &[("W-1", 3), ("W-2", 14)]),
        ("tyrell", &[("N:6", 6), ("Rüstung", 2)]),
        (
            "cyberdyne",
            &[("cyberdyne-Größe-M", 1250), ("cyberdyne-0012", 3)],
        ),
    ];
    let mut stock = Stock::new();
    for (vendor, products) in named {
        for (product, units) in products {
            let vendors = stock.entry((*product).to_owned()).or_default();
            vendors.insert(vendor.to_owned(), *units);
        }
    }
    // Their products have the same ids.
    for (vendor, seed, products) in [
        ("initech", 3, 1000),
        ("oscorp", 10, 250),
        ("aperture", 11, 180),
    ] {
        for (product, units) in mock_vendor::catalogue(seed, products) {
            let vendors = stock.entry(product).or_default();
            vendors.insert(vendor.to_owned(), units);
        }
    }
    stock
}

/// The products that are ordered: all that are named in the script, and some that three vendors have.
fn ordered_products(stock: &Stock) -> Vec<String> {
    let is_ordered =
        |product: &&String| !product.starts_with("SKU-") || *product < &"SKU-0000010".to_owned();
    stock.keys().filter(is_ordered).cloned().collect()
}

/// Starts clients that place orders of one to three units.
fn start_load(consumers: Vec<Consumer>, products: Vec<String>) -> Load<i64> {
    Load::start(scale::pick(6, 16), move |number, step| {
        let client = consumers[number % consumers.len()].clone();
        // Each client goes through all products in its own order.
        let product = products[(step * 7 + number * 5) % products.len()].clone();
        let quantity = u32::try_from(1 + (step + number) % 3).unwrap();
        async move {
            let placed = client.place(&product, quantity).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            placed.id
        }
    })
}

async fn vendors(client: &Consumer) -> Vec<Vendor> {
    let mut vendors: Vec<Vendor> = client.api.vendors().collect().await.unwrap();
    // Without the one whose stock is entered by hand.
    vendors.retain(|vendor| vendor.url.is_some());
    vendors
}

async fn runs(client: &Consumer, vendor: &str) -> Vec<Run> {
    client.api.vendor_runs(vendor).collect().await.unwrap()
}

/// Waits until a vendor had a failed run with this error, and an applied report after it.
async fn recovered(client: &Consumer, vendor: &str, error: &str) {
    eventually(&format!("{vendor} failed and recovered"), async || {
        // Newest first.
        let runs = runs(client, vendor).await;
        let has_error = |run: &Run| run.error.as_ref().is_some_and(|it| it.contains(error));
        let failed = runs.iter().position(has_error)?;
        let newer = &runs[..failed];
        newer
            .iter()
            .any(|run| run.status == SyncStatus::Ok)
            .then_some(())
    })
    .await;
}

/// Waits until the pushed report that lacks products was applied, and the whole one after it.
async fn restored(client: &Consumer, vendor: &str) {
    eventually(
        &format!("{vendor} lost products and has them again"),
        async || {
            let runs = runs(client, vendor).await;
            let dropped = runs.iter().position(|run| run.zeroed > 0)?;
            let newer = &runs[..dropped];
            newer.iter().any(|run| run.rows == Some(1000)).then_some(())
        },
    )
    .await;
}

/// Units in confirmed orders by product and vendor.
fn sold(orders: &[Order]) -> Stock {
    let mut sold = Stock::new();
    for order in orders {
        for allocation in &order.allocations {
            let vendors = sold.entry(order.product_id.clone()).or_default();
            let units = vendors.entry(allocation.vendor_id.clone()).or_default();
            *units += i64::from(allocation.quantity);
        }
    }
    sold
}

/// Checks that each product is as the script has it, less the units that were sold.
async fn check_stock(client: &Consumer, scripted: &Stock, sold: &Stock) {
    for (product, by_vendor) in scripted {
        let stock = client.api.stock(product).await.unwrap();
        let found: BTreeMap<String, i64> = stock
            .vendors
            .iter()
            .map(|vendor| (vendor.vendor_id.clone(), i64::from(vendor.reported)))
            .collect();
        assert_eq!(&found, by_vendor, "{product}");
        for vendor in &stock.vendors {
            let sold = sold.get(product).and_then(|it| it.get(&vendor.vendor_id));
            let sold = sold.copied().unwrap_or(0);
            assert_eq!(i64::from(vendor.in_flight), sold, "{product}: {vendor:?}");
            // Neither more than the vendor has, nor a unit twice.
            let left = i64::from(vendor.reported) - sold;
            assert_eq!(i64::from(vendor.available), left, "{product}: {vendor:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_vendors_of_every_kind_are_synced_and_sold_from_while_one_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (script, api_port) = script(directory.path());
    let mocks = MockVendors::start(&script).await;
    let mut builder = Deployment::builder()
        .apis(2)
        .workers(2)
        .api_port(api_port)
        .settings(&settings_of(&script));
    for variable in VARIABLES {
        builder = builder.variable(variable, "secret");
    }
    let deployment = builder.start().await;
    let clients = vec![deployment.client(0), deployment.client(1)];
    let client = deployment.client(0);
    let scripted = scripted();
    let load = start_load(clients, ordered_products(&scripted));

    for (vendor, error) in [
        ("acme", "13,75"),
        ("hooli", "rules.duplicates"),
        ("oscorp", "listed twice"),
    ] {
        recovered(&client, vendor, error).await;
    }
    restored(&client, "initech").await;
    let status = |vendor: &Vendor| vendor.last_sync.status;
    let last = eventually("all vendors but one are synced", async || {
        let vendors = vendors(&client).await;
        let is_expected = |vendor: &Vendor| match vendor.vendor_id.as_str() {
            FAILING => status(vendor) == SyncStatus::Failed && vendor.as_of.is_some(),
            _ => [SyncStatus::Ok, SyncStatus::NotModified].contains(&status(vendor)),
        };
        vendors.iter().all(is_expected).then_some(vendors)
    })
    .await;
    assert_eq!(last.len(), 12);
    let failing = last.iter().find(|vendor| vendor.vendor_id == FAILING);
    let failing = failing.unwrap();
    assert_contains(failing.last_sync.error.as_ref().unwrap(), "HTML");
    assert!(failing.consecutive_failures > 0, "{failing:?}");

    let placed = load.stop().await;
    assert!(
        placed.len() > 200,
        "only {} orders were placed",
        placed.len()
    );
    deployment.all_settled().await;
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), placed.len());
    let confirmed: Vec<Order> = orders
        .into_iter()
        .filter(|order| order.status == OrderStatus::Confirmed)
        .collect();
    println!(
        "{} orders placed, {} confirmed; the output of the mock vendors:\n{}",
        placed.len(),
        confirmed.len(),
        mocks.log()
    );
    check_stock(&client, &scripted, &sold(&confirmed)).await;
    deployment.audit().await;
}
