//! Checks of a CSV file against a real data file.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use clock_tokio::SystemClock;
use domain::allocation::most_available_first;
use domain::identifiers::{OrderId, ProductId};
use domain::order::OrderRequest;
use domain::ports::{Acceptance, NewOrder, TransferRecord};
use domain::quantity::Quantity;
use domain::services::{PauseReason, PauseVendor, SettleOrders, VendorSets};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::vendor::sync;

/// 2025-01-01T00:00:00Z.
const REPORTED_S: u64 = 1_735_689_600;

const STOCK: &str = "p1,10\np2,50\np3,5\np5,8\n";

/// Loads these settings.
fn load(directory: &TempDir, toml: &str) -> Settings {
    let config = directory.path().join("settings.toml");
    fs::write(&config, toml).unwrap();
    Settings::load_with(Some(&config), Path::new("/nowhere/.env")).unwrap()
}

/// A vendor with a CSV file, and a data file.
struct Fixture {
    directory: TempDir,
    settings: Settings,
    runtime: Runtime,
}

impl Fixture {
    /// A vendor whose data file has no report.
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().to_str().unwrap();
        let toml = format!(
            "[[vendors]]\nid = 'acme'\nsync_interval = '1m'\nlag = '10m'\n\
             source = {{ type = 'file', url = 'file://{path}/stock_*.csv' }}\n\
             format = {{ type = 'csv' }}\n\
             fields = {{ product_id = 'SKU', quantity = 'Qty' }}\n"
        );
        Self {
            settings: load(&directory, &toml),
            directory,
            runtime: Runtime::new().unwrap(),
        }
    }

    /// Replaces the settings.
    fn configure(&mut self, toml: &str) {
        self.settings = load(&self.directory, toml);
    }

    /// A vendor whose data file has a report with [`STOCK`].
    fn with_stock() -> Self {
        let fixture = Self::new();
        fixture.apply_settings();
        fixture.report(STOCK, 0);
        let args = fixture.sync_args();
        sync::sync(&args, &fixture.settings).unwrap();
        fixture
    }

    fn apply_settings(&self) {
        let set = wiring::vendor_set(&self.settings).unwrap();
        let store = self.store(Access::Create);
        let sets = VendorSets::new(store.clone(), store, Arc::new(SystemClock));
        self.runtime.block_on(sets.apply(&set)).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    fn store(&self, access: Access) -> Arc<dyn AdminStore> {
        store::open(Some(&self.data()), access, &self.settings, &self.runtime).unwrap()
    }

    fn sync_args(&self) -> sync::SyncArgs {
        sync::SyncArgs {
            vendor: self.settings.vendors[0].id.clone(),
            data: Some(self.data()),
        }
    }

    /// Writes a report that the vendor made `later_s` seconds after the first.
    fn report(&self, rows: &str, later_s: i64) {
        let path = self.directory.path().join("stock_1.csv");
        fs::write(&path, format!("SKU,Qty\n{rows}")).unwrap();
        let modified = SystemTime::UNIX_EPOCH
            + Duration::from_secs(REPORTED_S.checked_add_signed(later_s).unwrap());
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    }

    /// Checks the vendor like the command, with the directory replaced by `DIR`.
    fn check(&self) -> (String, Result<()>) {
        let sampler = Sampler::default();
        let feed = wiring::sampled_feed(&self.settings.vendors[0], sampler.clone());
        let feed = feed.unwrap().unwrap();
        let data = self.data();
        let store = store::open(Some(&data), Access::Read, &self.settings, &self.runtime);
        let timeout = self.settings.vendors[0].timeout;
        let checked = check_feed(&feed, timeout, &sampler, store, "");
        let (printed, result) = self.runtime.block_on(checked);
        let directory = self.directory.path().to_str().unwrap();
        (printed.replace(directory, "DIR"), result)
    }

    /// Accepts an order. Settles it if `is_settled`.
    fn order(&self, store: &Arc<dyn AdminStore>, product: &str, units: i64, is_settled: bool) {
        let order = NewOrder {
            request: OrderRequest {
                product_id: ProductId::parse(product).unwrap(),
                quantity: Quantity::parse(units).unwrap(),
            },
            key: None,
            batch: None,
            trace: None,
        };
        self.runtime.block_on(async {
            let mut work = store.begin().await.unwrap();
            let accepted = work.accept(&[order]).await.unwrap();
            work.commit().await.unwrap();
            let [Acceptance::Created(created)] = accepted.as_slice() else {
                panic!("{accepted:?}");
            };
            if is_settled {
                settle(store, created.id).await;
            }
        });
    }

    /// All records of the data file.
    fn records(&self, store: &Arc<dyn AdminStore>) -> Vec<TransferRecord> {
        self.runtime.block_on(async {
            let mut reader = store.read_all().await.unwrap();
            let mut records = Vec::new();
            loop {
                let page = reader.next(1_000).await.unwrap();
                if page.is_empty() {
                    return records;
                }
                records.extend(page);
            }
        })
    }
}

async fn settle(store: &Arc<dyn AdminStore>, id: OrderId) {
    let settle = SettleOrders::new(store.clone(), Arc::new(SystemClock), most_available_first);
    settle.settle(&[id]).await.unwrap();
}

/// The problem of a check, with its causes.
fn problem((printed, result): (String, Result<()>)) -> String {
    match result {
        Ok(()) => panic!("the check succeeded:\n{printed}"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn effect_of_a_report_is_printed_and_nothing_is_changed_next_to_a_running_program() {
    let fixture = Fixture::with_stock();
    let running = fixture.store(Access::Write);
    fixture.order(&running, "p1", 6, true);
    fixture.order(&running, "p1", 3, false);
    fixture.order(&running, "p2", 40, false);
    let before = fixture.records(&running);
    fixture.report("p1,4\np2,30.0\np4,2\np5,8\n", 600);
    let (printed, result) = fixture.check();
    result.unwrap();
    insta::assert_snapshot!(printed);
    assert_eq!(fixture.records(&running), before);
}

#[test]
fn refused_records_are_printed() {
    let fixture = Fixture::with_stock();
    fixture.report("p1,4\np2,none\n,3\np1,5\n", 600);
    let (printed, result) = fixture.check();
    insta::assert_snapshot!(printed);
    assert_eq!(
        result.unwrap_err().to_string(),
        "the report would be refused: the fields and rules of vendor acme do not cover 3 of 4 records"
    );
}

#[test]
fn report_of_a_vendor_that_is_not_configured_yet_would_be_applied() {
    let fixture = Fixture::new();
    drop(fixture.store(Access::Create));
    fixture.report(STOCK, 0);
    let (printed, result) = fixture.check();
    result.unwrap();
    for line in [
        "vendor    not configured in the store yet",
        "products  4 added, 0 changed, 0 zeroed, 0 unchanged\n",
        "units     0 before, 73 after\n",
        "orders    no order is PENDING\n",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn number_of_a_column_is_printed_apart_from_its_value() {
    let mut fixture = Fixture::new();
    let url = format!("file://{}/stock_*.csv", fixture.directory.path().display());
    fixture.configure(&format!(
        "[[vendors]]\nid = 'acme'\nsync_interval = '1m'\nsource = {{ type = 'file', url = '{url}' }}\n\
         format = {{ type = 'csv' }}\nfields = {{ product_id = 1, quantity = 2 }}\n"
    ));
    fixture.report("12,10\n", 0);
    let (printed, _) = fixture.check();
    let line = "  line 2  column 1 = \"12\"  column 2 = \"10\"  ->  12  10 units\n";
    assert!(printed.contains(line), "{printed}");
}

#[test]
fn empty_report_would_be_quarantined() {
    let fixture = Fixture::with_stock();
    fixture.report("", 600);
    let checked = fixture.check();
    assert!(
        checked.0.contains("0 added, 0 changed, 4 zeroed"),
        "{}",
        checked.0
    );
    let problem = problem(checked);
    assert!(
        problem.starts_with("the report would be quarantined: "),
        "{problem}"
    );
}

#[test]
fn older_report_would_be_stale() {
    let fixture = Fixture::with_stock();
    fixture.report("p1,1\n", -60);
    let problem = problem(fixture.check());
    assert!(
        problem.contains("older than the applied report"),
        "{problem}"
    );
}

#[test]
fn missing_file_is_a_problem() {
    let fixture = Fixture::with_stock();
    fs::remove_file(fixture.directory.path().join("stock_1.csv")).unwrap();
    let problem = problem(fixture.check());
    let directory = fixture.directory.path().to_str().unwrap();
    assert_eq!(
        problem.replace(directory, "DIR"),
        "no report was received: no file matches DIR/stock_*.csv"
    );
}

#[test]
fn size_of_a_report_without_a_field_of_the_settings_has_no_number_of_records() {
    let fixture = Fixture::with_stock();
    fs::write(
        fixture.directory.path().join("stock_1.csv"),
        "SKU,Number\np1,4\n",
    )
    .unwrap();
    let (printed, result) = fixture.check();
    assert!(
        printed.contains("\nsize      16 bytes\ntimes "),
        "{printed}"
    );
    let error = result.unwrap_err().to_string();
    assert!(error.contains("has no column \"Qty\""), "{error}");
}

#[test]
fn settings_of_the_timeout_are_named_only_if_it_elapsed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut fixture = Fixture::new();
    drop(fixture.store(Access::Create));
    fixture.configure(&format!(
        "[[vendors]]\nid = 'acme'\nsync_interval = '1m'\ntimeout = '200ms'\nretries = 0\n\
         url = 'http://127.0.0.1:{port}/'\n"
    ));
    assert_eq!(
        problem(fixture.check()),
        "no report was received: no complete response within 200ms; the settings are timeout and retries of vendor acme"
    );
    drop(listener);
    let refused = problem(fixture.check());
    assert!(
        refused.starts_with("no report was received: ") && !refused.contains("retries"),
        "{refused}"
    );
}

#[test]
fn pause_of_an_operator_is_printed() {
    let fixture = Fixture::with_stock();
    let id = &fixture.settings.vendors[0].id;
    let pausing = PauseVendor::new(fixture.store(Access::Write), Arc::new(SystemClock));
    let moving = PauseReason::parse("moving").unwrap();
    let paused = fixture.runtime.block_on(pausing.pause(id, Some(&moving)));
    let since = paused.unwrap().since;
    drop(pausing);
    let (printed, result) = fixture.check();
    result.unwrap();
    let line = format!(
        "syncs     an operator paused its scheduled syncs at {since} (moving); `vendor resume` ends the pause\n"
    );
    assert!(printed.contains(&line), "{printed}");
}

#[test]
fn report_is_printed_although_the_store_cannot_be_used() {
    let fixture = Fixture::new();
    fixture.report(STOCK, 0);
    let (printed, result) = fixture.check();
    assert!(printed.contains("->  p1"), "{printed}");
    assert!(
        printed.ends_with(
            "\nnot compared with the store: data file DIR/shop.db not found: the embedded program creates it when it \
             starts (order-aggregator --data FILE)\n"
        ),
        "{printed}"
    );
    let error = format!("{:#}", result.unwrap_err());
    assert!(
        error
            .starts_with("the report is valid, but it was not compared with the store: data file "),
        "{error}"
    );
}

#[test]
fn vendor_without_a_feed_is_named() {
    let mut settings = Fixture::new().settings;
    let id = |name: &str| VendorId::parse(name).unwrap();
    let problem =
        |settings: &Settings, name: &str| find_vendor(settings, &id(name)).unwrap_err().to_string();
    assert_eq!(
        problem(&settings, "globex"),
        "the settings have no vendor globex (vendors with a feed: acme); --config names the file"
    );
    settings.manual_vendors.push(id("globex"));
    assert_eq!(
        problem(&settings, "globex"),
        "vendor globex has no feed: its stock is entered manually (manual_vendors)"
    );
}

#[test]
fn sync_applies_a_report_and_names_the_remedy_of_a_problem() {
    let fixture = Fixture::new();
    let synced = || {
        let synced = sync::sync(&fixture.sync_args(), &fixture.settings);
        synced.map_err(|error| format!("{error:#}"))
    };
    fixture.report(STOCK, 0);
    drop(fixture.store(Access::Create));
    let not_configured = synced().unwrap_err();
    assert!(
        not_configured.contains("`order-aggregator-admin vendor apply`"),
        "{not_configured}"
    );
    fixture.apply_settings();
    synced().unwrap();
    let (printed, result) = fixture.check();
    result.unwrap();
    assert!(
        printed.contains("0 added, 0 changed, 0 zeroed, 4 unchanged"),
        "{printed}"
    );
    fixture.report("", 600);
    let quarantined = synced().unwrap_err();
    assert!(quarantined.contains("was not applied"), "{quarantined}");
    fixture.report("p1,x\n", 900);
    let malformed = synced().unwrap_err();
    assert_eq!(malformed.matches("Qty is \"x\"").count(), 1, "{malformed}");
    let _running = fixture.store(Access::Write);
    let in_use = synced().unwrap_err();
    assert!(in_use.contains("/api/v1/vendors/acme/sync"), "{in_use}");
}
